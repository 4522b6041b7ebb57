package http1

// Known names a field that this package recognises while it parses; [Request.Get] finds it without
// a search. The zero value is any other field.
type Known uint8

// The known fields.
const (
	Unknown Known = iota
	Host
	ContentLength
	TransferEncoding
	Connection
	KeepAlive
	ProxyConnection
	TE
	Trailer
	Upgrade
	Expect
	XForwardedFor
	XForwardedProto
	XForwardedHost
	Forwarded
	XRealIP
	XRequestID
	Traceparent
	Tracestate
	Via
	Range
	IfMatch
	IfNoneMatch
	IfModifiedSince
	IfUnmodifiedSince
	IfRange
	Accept
	AcceptEncoding
	AcceptLanguage
	Authorization
	ProxyAuthorization
	ProxyAuthenticate
	Cookie
	UserAgent
	Referer
	Origin
	ContentType
	ContentEncoding
	ContentRange
	CacheControl
	Pragma
	Date
	Server
	SetCookie
	Location
	ETag
	LastModified
	Vary
	Allow
	Age
	Expires
	RetryAfter
	WWWAuthenticate
	SecWebSocketKey
	UpgradeInsecureRequests
	knownCount
)

var knownNames = [knownCount]string{
	Host: "Host", ContentLength: "Content-Length", TransferEncoding: "Transfer-Encoding",
	Connection: "Connection", KeepAlive: "Keep-Alive", ProxyConnection: "Proxy-Connection",
	TE: "TE", Trailer: "Trailer", Upgrade: "Upgrade", Expect: "Expect",
	XForwardedFor: "X-Forwarded-For", XForwardedProto: "X-Forwarded-Proto",
	XForwardedHost: "X-Forwarded-Host", Forwarded: "Forwarded", XRealIP: "X-Real-IP",
	XRequestID: "X-Request-ID", Traceparent: "Traceparent", Tracestate: "Tracestate", Via: "Via",
	Range: "Range", IfMatch: "If-Match", IfNoneMatch: "If-None-Match",
	IfModifiedSince: "If-Modified-Since", IfUnmodifiedSince: "If-Unmodified-Since",
	IfRange: "If-Range", Accept: "Accept", AcceptEncoding: "Accept-Encoding",
	AcceptLanguage: "Accept-Language", Authorization: "Authorization",
	ProxyAuthorization: "Proxy-Authorization", ProxyAuthenticate: "Proxy-Authenticate",
	Cookie: "Cookie", UserAgent: "User-Agent", Referer: "Referer", Origin: "Origin",
	ContentType: "Content-Type", ContentEncoding: "Content-Encoding",
	ContentRange: "Content-Range", CacheControl: "Cache-Control", Pragma: "Pragma",
	Date: "Date", Server: "Server", SetCookie: "Set-Cookie", Location: "Location", ETag: "ETag",
	LastModified: "Last-Modified", Vary: "Vary", Allow: "Allow", Age: "Age", Expires: "Expires",
	RetryAfter: "Retry-After", WWWAuthenticate: "WWW-Authenticate",
	SecWebSocketKey:         "Sec-WebSocket-Key",
	UpgradeInsecureRequests: "Upgrade-Insecure-Requests",
}

// String is the field's usual spelling, "" for Unknown.
func (k Known) String() string { return knownNames[k] }

// KnownName is the Known of a field name in any case, Unknown if there is none.
func KnownName[T string | []byte](name T) Known {
	for k := Host; k < knownCount; k++ {
		if len(name) == int(knownTable[k].size) && equalFold(name, knownTable[k].lower) {
			return k
		}
	}
	return Unknown
}

// knownSet is a set of Knowns, bit k for k.
type knownSet uint64

func setOf(ks ...Known) (s knownSet) {
	for _, k := range ks {
		s |= 1 << k
	}
	return s
}

func (s knownSet) has(k Known) bool { return s>>k&1 != 0 }

// hopByHop are the fields that concern one connection only and are never passed on.
//
// RFC 9110 section 7.6.1; the two Proxy- ones belong to the hop that asked for them.
var hopByHop = setOf(Connection, KeepAlive, ProxyConnection, TE, TransferEncoding, Upgrade,
	ProxyAuthorization, ProxyAuthenticate)

const (
	knownWords    = 4   // 8-byte words of the longest known name
	knownSlots    = 256 // of the hash table
	knownHashMult = 0x73a75eee0eed5f51
)

// knownEntry is a known name as words: (word of a name | fold) == word says that it matches, fold
// having 0x20 at the letters only (CR | 0x20 is "-").
type knownEntry struct {
	word, fold [knownWords]uint64
	size       uint8
	lower      string
}

var (
	knownTable [knownCount]knownEntry
	knownHash  [knownSlots]Known // TestKnownHash: no two names share a slot
)

func init() {
	for k := Host; k < knownCount; k++ {
		e := &knownTable[k]
		name := []byte(knownNames[k])
		for i, c := range name {
			fold := byte(0)
			if c|0x20 >= 'a' {
				fold = 0x20
			}
			name[i] = c | fold
			e.word[i/8] |= uint64(c|fold) << (8 * (i % 8))
			e.fold[i/8] |= uint64(fold) << (8 * (i % 8))
		}
		e.size, e.lower = uint8(len(name)), string(name)
		knownHash[knownSlot(e.word[0], len(name))] = k
	}
}

// knownSlot hashes a name by its first word (zero beyond the name) and its size.
func knownSlot(first uint64, size int) uint8 {
	return uint8(((first | swarCase) + uint64(size)) * knownHashMult >> 56)
}

// knownAt identifies the name b[i:i+n], first being its first word with what follows cut off.
func knownAt(b []byte, i, n int, first uint64) Known {
	k := knownHash[knownSlot(first, n)]
	e := &knownTable[k]
	if int(e.size) != n || first|e.fold[0] != e.word[0] {
		return Unknown
	}
	for j := 1; j*8 < n; j++ {
		w := loadPart(b, i+j*8)
		if rest := n - j*8; rest < 8 {
			w &= 1<<(8*rest) - 1
		}
		if w|e.fold[j] != e.word[j] {
			return Unknown
		}
	}
	return k
}
