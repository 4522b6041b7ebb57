// Package fastcgi is the wire format of FastCGI 1.0 as a web server speaks it: one request at a time
// on a connection, by a responder. It is pure: bytes in, bytes and views out, no allocation.
//
//	record = version(1)=1 type(1) request(2) length(2) padding(1) reserved(1) content padding
//
// All integers are big-endian. The server sends BEGIN_REQUEST, then PARAMS and STDIN, two streams that
// each end with an empty record. The program answers by STDOUT, which is a CGI response (package cgi),
// and STDERR, and ends with END_REQUEST. The request id is always 1.
//
// What a program may say is held to that: another version, another request, an END_REQUEST that is too
// short are errors, after which the connection is of no use. Records of other types, and those of
// request 0, which concern the connection, are skipped.
package fastcgi
