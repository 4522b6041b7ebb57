package http1

import "errors"

// Kind groups parse errors for logs and metrics. The names are those of HTTP.sys's error log.
//
// systems.md row H53.
type Kind uint8

// Kinds of [ParseError].
const (
	KindBadRequest Kind = iota
	KindHost
	KindURL
	KindURLLength
	KindVerb
	KindFieldLength   // one field
	KindRequestLength // the head as a whole
	KindTransferEncoding
	KindVersion
	KindNotHTTP
	KindExpectation
	KindResponse // an upstream's response head; StatusOf is 502
	kindCount
)

var kindNames = [kindCount]string{
	KindBadRequest: "BadRequest", KindHost: "Hostname", KindURL: "URL", KindURLLength: "URL_Length",
	KindVerb: "Verb", KindFieldLength: "FieldLength", KindRequestLength: "RequestLength",
	KindTransferEncoding: "N/I", KindVersion: "Version_N/S", KindNotHTTP: "NotHTTP",
	KindExpectation: "Expectation", KindResponse: "WorkerProtocol",
}

// String is the kind's stable name.
func (k Kind) String() string { return kindNames[k] }

// ParseError is the type of every error of this package's parsers. The values are static, compare
// with ==, and hold no peer bytes.
type ParseError struct {
	Status int // the status code to answer with
	Kind   Kind
	msg    string
	// inResponse is the same fault found in an upstream's response.
	inResponse *ParseError
}

// Error is the message, `http1: object: cause`.
func (e *ParseError) Error() string { return e.msg }

func newError(status int, kind Kind, msg string) *ParseError {
	msg = "http1: " + msg
	return &ParseError{
		Status: status, Kind: kind, msg: msg,
		inResponse: &ParseError{Status: 502, Kind: KindResponse, msg: msg + " (in response)"},
	}
}

// responseError is the twin of e for a response head.
func responseError(e *ParseError) *ParseError {
	if e.inResponse == nil {
		return e
	}
	return e.inResponse
}

// StatusOf is the status code to answer err with: that of the *ParseError in its chain, else 400.
func StatusOf(err error) int {
	if pe, ok := errors.AsType[*ParseError](err); ok {
		return pe.Status
	}
	return 400
}

// KindOf is the kind of the *ParseError in err's chain, else KindBadRequest.
func KindOf(err error) Kind {
	if pe, ok := errors.AsType[*ParseError](err); ok {
		return pe.Kind
	}
	return KindBadRequest
}

// Errors of [Request.Parse]. [Response.Parse] returns twins of the shared ones with status 502.
var (
	// Bytes that are no HTTP/1 at all.
	ErrTLS   = newError(400, KindNotHTTP, "request line: TLS handshake on a plain-text port")
	ErrHTTP2 = newError(400, KindNotHTTP, "request line: HTTP/2 preface on an HTTP/1.1 port")

	// Request line.
	ErrMethod       = newError(400, KindVerb, "method: not a token")
	ErrMethodLength = newError(400, KindVerb, "method: over 32 bytes")
	ErrTarget       = newError(400, KindURL, "request target: not a valid URL")
	ErrTargetForm   = newError(400, KindURL, "request target: wrong form for the method")
	ErrURLLength    = newError(414, KindURLLength, "request line: too long")
	ErrRequestLine  = newError(400, KindBadRequest, "request line: malformed")
	ErrVersion      = newError(505, KindVersion, "request line: major version is not 1")

	// Lines.
	ErrBareLF     = newError(400, KindBadRequest, "line: LF without CR")
	ErrBareCR     = newError(400, KindBadRequest, "line: CR without LF")
	ErrEmptyLines = newError(400, KindBadRequest, "request line: more than one empty line before it")

	// Fields.
	ErrObsFold     = newError(400, KindBadRequest, "field: folded or indented line")
	ErrNoColon     = newError(400, KindBadRequest, "field: line without colon")
	ErrFieldName   = newError(400, KindBadRequest, "field name: not a token")
	ErrColonSpace  = newError(400, KindBadRequest, "field name: white space before the colon")
	ErrFieldValue  = newError(400, KindBadRequest, "field value: control character")
	ErrFieldLength = newError(431, KindFieldLength, "field name: over 256 bytes")
	ErrFieldCount  = newError(431, KindRequestLength, "fields: too many")
	ErrHeadLength  = newError(431, KindRequestLength, "head: too long")

	// Host.
	ErrHostMissing  = newError(400, KindHost, "host: missing")
	ErrHostRepeated = newError(400, KindHost, "host: repeated")
	ErrHostInvalid  = newError(400, KindHost, "host: malformed")
	ErrHostDiffers  = newError(400, KindHost, "host: differs from the request target's authority")

	// Framing and connection.
	ErrContentLength         = newError(400, KindBadRequest, "content-length: not a number")
	ErrContentLengthRepeated = newError(400, KindBadRequest, "content-length: repeated")
	ErrFraming               = newError(400, KindBadRequest,
		"content-length: beside transfer-encoding")
	ErrTransferEncoding = newError(400, KindBadRequest, "transfer-encoding: malformed")
	ErrTransferCoding   = newError(501, KindTransferEncoding, "transfer-encoding: unknown coding")
	ErrTransferVersion  = newError(400, KindBadRequest, "transfer-encoding: in HTTP/1.0")
	ErrConnection       = newError(400, KindBadRequest, "connection: malformed")
	ErrConnectBody      = newError(400, KindBadRequest, "CONNECT: with a body")
	ErrExpectation      = newError(417, KindExpectation, "expect: unknown expectation")

	// Chunked bodies. [ChunkDecoder] returns their twins if it decodes a response.
	ErrChunkSize      = newError(400, KindBadRequest, "chunk size: not 1 to 15 hex digits")
	ErrChunkLine      = newError(400, KindBadRequest, "chunk size: line not ended by CRLF")
	ErrChunkExtension = newError(400, KindBadRequest, "chunk extension: malformed")
	ErrChunkExtLength = newError(400, KindBadRequest, "chunk extensions: too long")
	ErrChunkData      = newError(400, KindBadRequest, "chunk data: not followed by CRLF")
	ErrTrailer        = newError(400, KindBadRequest, "trailer: field not allowed there")
	ErrTrailerLength  = newError(431, KindRequestLength, "trailer section: too long")

	// Response head.
	ErrStatusLine  = newError(502, KindResponse, "status line: malformed")
	ErrInterimBody = newError(502, KindResponse, "status 1xx: with a body")

	// [DecodePath].
	ErrPathEscape  = newError(400, KindURL, "path: malformed percent-encoding")
	ErrPathControl = newError(400, KindURL, "path: control character")
	ErrPathUTF8    = newError(400, KindURL, "path: not UTF-8")
	ErrPathRoot    = newError(400, KindURL, "path: leads above the root")

	// Encoders: bytes that would end the field or the line they are put in.
	ErrEncodeName  = newError(500, KindBadRequest, "encode field name: not a token")
	ErrEncodeValue = newError(500, KindBadRequest, "encode field value: control character")
)
