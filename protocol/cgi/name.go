package cgi

// VariableSize is the length of the variable's name that AppendVariable makes of a request field's; 0:
// the field is none.
//
// Only letters, digits and "-" make a name that nothing else makes: "_" would be the same as "-", and
// PHP takes "." for "_" too. Proxy is none because a program would take HTTP_PROXY for the variable by
// which libraries are told of a proxy (CVE-2016-5385 and others).
func VariableSize(field string) int {
	if len(field) == 0 || foldIs(field, "proxy") {
		return 0
	}
	for i := range len(field) {
		if c := field[i]; c|0x20-'a' >= 26 && c-'0' >= 10 && c != '-' {
			return 0
		}
	}
	return len(prefix) + len(field)
}

const prefix = "HTTP_"

// AppendVariable appends HTTP_ACCEPT_LANGUAGE for Accept-Language.
func AppendVariable(dst []byte, field string) []byte {
	dst = append(dst, prefix...)
	for i := range len(field) {
		c := field[i]
		switch {
		case c-'a' < 26:
			c &^= 0x20
		case c == '-':
			c = '_'
		}
		dst = append(dst, c)
	}
	return dst
}
