package http1

import (
	"net/http"
	"strconv"
)

// statusLines are the status lines of the codes that have a reason phrase, from 100 on.
var statusLines = func() (lines [500]string) {
	for i := range lines {
		if text := StatusText(100 + i); text != "" {
			lines[i] = "HTTP/1.1 " + strconv.Itoa(100+i) + " " + text + CRLF
		}
	}
	return lines
}()

// StatusText is the usual reason phrase of a status code, "" if there is none.
//
// RFC 9110 section 15 and the registry; net/http's table for those that it has.
func StatusText(status int) string {
	switch status {
	case http.StatusRequestEntityTooLarge:
		return "Content Too Large" // renamed by RFC 9110
	case http.StatusRequestURITooLong:
		return "URI Too Long"
	case http.StatusUnprocessableEntity:
		return "Unprocessable Content"
	case http.StatusRequestedRangeNotSatisfiable:
		return "Range Not Satisfiable"
	}
	return http.StatusText(status)
}
