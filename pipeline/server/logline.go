package server

import (
	"strconv"
	"time"
	"unicode/utf8"

	"weir/protocol/http1"
)

// appendCombinedLine appends
//
//	peer - - [time] "METHOD target HTTP/1.1" status bytes "referer" "agent" seconds reason
//
// where bytes are those behind the head, chunk framing included, as in nginx.
// Peer bytes are escaped as nginx does: control characters, quotes, backslashes and non-ASCII as \xHH.
func appendCombinedLine(dst []byte, x *exchange) []byte {
	dst = appendPeer(dst, x)
	dst = append(dst, " - - ["...)
	dst = x.ls.stamp.append(dst, x.ls.unix())
	dst = append(dst, "] \""...)
	dst = appendEscaped(dst, x.req.Method())
	dst = append(dst, ' ')
	dst = appendEscaped(dst, cutURL(x.req.Target()))
	dst = append(append(dst, " HTTP/1."...), byte('0'+x.req.Minor), '"', ' ')
	dst = strconv.AppendInt(dst, int64(x.status), 10)
	dst = strconv.AppendInt(append(dst, ' '), x.bytesOut-x.headOut, 10)
	dst = append(dst, " \""...)
	dst = appendOr(dst, x.req.Get(http1.Referer))
	dst = append(dst, "\" \""...)
	dst = appendOr(dst, x.req.Get(http1.UserAgent))
	dst = append(dst, "\" "...)
	dst = appendSeconds(dst, x.ls.loop.Now()-x.start)
	dst = append(append(dst, ' '), x.why().String()...)
	return append(dst, '\n')
}

// appendJSONLine appends one JSON object.
func appendJSONLine(dst []byte, x *exchange) []byte {
	dst = append(dst, `{"time":"`...)
	dst = time.Unix(x.ls.unix(), 0).UTC().AppendFormat(dst, "2006-01-02T15:04:05Z")
	dst = append(dst, `","peer":"`...)
	dst = appendPeer(dst, x)
	dst = append(dst, `","method":`...)
	dst = appendJSONString(dst, x.req.Method())
	dst = append(dst, `,"host":`...)
	dst = appendJSONString(dst, x.req.Host())
	dst = append(dst, `,"target":`...)
	dst = appendJSONString(dst, cutURL(x.req.Target()))
	dst = append(dst, `,"status":`...)
	dst = strconv.AppendInt(dst, int64(x.status), 10)
	dst = append(dst, `,"bytes_in":`...)
	dst = strconv.AppendInt(dst, x.bytesIn, 10)
	dst = append(dst, `,"bytes_out":`...)
	dst = strconv.AppendInt(dst, x.bytesOut, 10)
	dst = append(dst, `,"seconds":`...)
	dst = appendSeconds(dst, x.ls.loop.Now()-x.start)
	dst = append(dst, `,"reason":"`...)
	dst = append(dst, x.why().String()...)
	dst = append(dst, `","request_id":`...)
	dst = appendJSONString(dst, []byte(x.tr.RequestID()))
	dst = append(dst, `,"referer":`...)
	dst = appendJSONString(dst, x.req.Get(http1.Referer))
	dst = append(dst, `,"user_agent":`...)
	dst = appendJSONString(dst, x.req.Get(http1.UserAgent))
	if x.cause != nil {
		dst = append(dst, `,"error":`...)
		dst = appendJSONString(dst, []byte(x.cause.Error()))
	}
	return append(dst, "}\n"...)
}

func appendPeer(dst []byte, x *exchange) []byte {
	if p := x.tr.Peer(); p.IsValid() {
		return p.Addr().AppendTo(dst)
	}
	return append(dst, "unix:"...)
}

func cutURL(b []byte) []byte { return b[:min(len(b), logURLBytesMax)] }

func appendOr(dst, b []byte) []byte {
	if len(b) == 0 {
		return append(dst, '-')
	}
	return appendEscaped(dst, b)
}

func appendEscaped(dst, b []byte) []byte {
	const hex = "0123456789ABCDEF"
	if len(b) == 0 {
		return append(dst, '-')
	}
	for _, c := range b {
		if c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			dst = append(dst, '\\', 'x', hex[c>>4], hex[c&15])
			continue
		}
		dst = append(dst, c)
	}
	return dst
}

// appendJSONString quotes b; bytes that are no UTF-8 become U+FFFD.
func appendJSONString(dst, b []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(b); {
		c := b[i]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
			i++
		case c < ' ' || c == 0x7f:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			i++
		case c < utf8.RuneSelf:
			dst = append(dst, c)
			i++
		default:
			r, n := utf8.DecodeRune(b[i:])
			dst = utf8.AppendRune(dst, r)
			i += n
		}
	}
	return append(dst, '"')
}

// appendSeconds appends ns as seconds with three decimals.
func appendSeconds(dst []byte, ns int64) []byte {
	ms := max(ns, 0) / int64(time.Millisecond)
	dst = strconv.AppendInt(dst, ms/1000, 10)
	return append(dst, '.', byte('0'+ms/100%10), byte('0'+ms/10%10), byte('0'+ms%10))
}

// logStamp caches the formatted time of one second.
type logStamp struct {
	second int64
	text   []byte
}

func (s *logStamp) append(dst []byte, unix int64) []byte {
	if unix != s.second || s.text == nil {
		s.second = unix
		s.text = time.Unix(unix, 0).UTC().AppendFormat(s.text[:0], "02/Jan/2006:15:04:05 -0700")
	}
	return append(dst, s.text...)
}
