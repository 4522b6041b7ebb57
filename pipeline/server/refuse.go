package server

import (
	"strconv"

	"weir/pipeline"
	"weir/protocol/http1"
)

// reasons maps parse errors to the reasons of log and metric.
var reasons = map[http1.Kind]pipeline.Reason{
	http1.KindBadRequest:       pipeline.BadRequest,
	http1.KindHost:             pipeline.ReasonHost,
	http1.KindURL:              pipeline.ReasonURL,
	http1.KindURLLength:        pipeline.ReasonURLLength,
	http1.KindVerb:             pipeline.ReasonVerb,
	http1.KindFieldLength:      pipeline.ReasonFieldLength,
	http1.KindRequestLength:    pipeline.ReasonRequestLength,
	http1.KindTransferEncoding: pipeline.TransferEncoding,
	http1.KindVersion:          pipeline.VersionNotSupported,
	http1.KindNotHTTP:          pipeline.NotHTTP,
	http1.KindExpectation:      pipeline.ExpectationFailed,
}

func reasonOf(err error) pipeline.Reason { return reasons[http1.KindOf(err)] }

// refuse answers a head that could not be parsed, and closes: nothing behind it can be trusted.
func (s *session) refuse(x *exchange, err error) {
	now := s.ls.loop.Now()
	start := now
	if s.state == stateHead {
		start = s.since
	}
	s.setState(stateOpen)
	s.x = x
	x.begin(s, start, now)
	x.bodyDone, x.expecting = true, false
	_ = x.tr.Begin(x, &x.req, s.origin(), now) // there is no target to be malformed
	s.refuseParsed(x, err)
}

// refuseParsed answers an error of the head with the status it maps to, and closes.
func (s *session) refuseParsed(x *exchange, err error) {
	x.close, x.linger = true, true
	x.fail(http1.StatusOf(err), reasonOf(err), err)
}

// fail answers for Weir itself: status, reason, and note as detail.
func (x *exchange) fail(status int, reason pipeline.Reason, note error) {
	x.note = note
	x.serve(func(c *pipeline.Context) {
		if note != nil {
			c.SetErrorPage(x.notePage)
		}
		c.Fail(status, reason)
	})
}

// notePage is the error page that says what was wrong with the request.
func (x *exchange) notePage(c *pipeline.Context, dst []byte, status int, _ pipeline.Reason) ([]byte, string) {
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(append(dst, ' '), http1.StatusText(status)...)
	dst = append(append(dst, ": "...), x.note.Error()...)
	dst = append(append(dst, "\nrequest id: "...), c.RequestID()...)
	return append(dst, '\n'), "text/plain; charset=utf-8"
}

// shortAnswer answers without the Context, which has given the exchange up already.
func (x *exchange) shortAnswer(status int, reason pipeline.Reason) {
	var fields pipeline.Fields
	_ = fields.Add("Content-Type", "text/plain; charset=utf-8") // well-formed
	_ = fields.Add("Cache-Control", "no-store")
	body := strconv.AppendInt(nil, int64(status), 10)
	body = append(append(body, ' '), http1.StatusText(status)...)
	body = append(append(append(body, "\nrequest id: "...), x.tr.RequestID()...), '\n')
	x.reason = reason
	x.SendHead(status, &fields, int64(len(body)))
	x.SendBody(body)
	x.ended = true
}

// optionsAsterisk answers "OPTIONS *", a question to the server as a whole. RFC 9110 section 9.3.7.
func optionsAsterisk(c *pipeline.Context) {
	_ = c.SetStatus(204)
	_ = c.SetHeader("Allow", pipeline.Methods) // well-formed
}
