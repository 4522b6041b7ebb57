// Package cgi reads the head of a CGI response (RFC 3875 section 6), as FastCGI programs send it, and
// names the variables that tell a program of a request. It is pure and does not allocate.
//
// A head is lines that end with LF or CR LF, up to an empty one. AppendHead makes an HTTP/1.1 response
// head of it, for package http1 to judge: what no HTTP response may hold is refused there.
package cgi
