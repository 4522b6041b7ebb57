package config

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// formError is text that does not follow a grammar of this file.
type formError struct{ what, expected, suggestion string }

const addressForms = "ADDRESS:PORT, :PORT or unix:PATH"

// parseAddress is the canonical form of a listening address: ":8080" (dual-stack), "[::]:8080"
// (IPv6 only), "127.0.0.1:8080", "unix:/path" (relative paths are resolved later).
func parseAddress(s string) (string, *formError) {
	if p, ok := strings.CutPrefix(s, "unix:"); ok {
		if p == "" || strings.ContainsRune(p, 0) {
			return "", &formError{fmt.Sprintf("%q names no socket", s), addressForms, ""}
		}
		return s, nil
	}
	if strings.HasPrefix(s, "/") || strings.HasPrefix(s, "./") {
		return "", &formError{fmt.Sprintf("%q is a path", s), addressForms, strconv.Quote("unix:" + s)}
	}
	host, port, ok := splitPort(s)
	if !ok {
		return "", &formError{fmt.Sprintf("%q is not an address", s), addressForms, suggestAddress(s)}
	}
	if err := checkPort(s, port); err != nil {
		return "", err
	}
	n, _ := strconv.Atoi(port)
	port = strconv.Itoa(n)
	switch host {
	case "":
		return ":" + port, nil
	case "*", "+":
		return "", &formError{fmt.Sprintf("%q is not an address", s), addressForms,
			strconv.Quote(":" + port)}
	case "localhost":
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if err != nil || strings.HasPrefix(host, "[") != ip.Is6() {
		return "", &formError{fmt.Sprintf("%q has no IP address before its port", s), addressForms,
			strconv.Quote("http://" + host + ":" + port)}
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(n)).String(), nil
}

// splitPort splits at the last colon that is not inside brackets.
func splitPort(s string) (host, port string, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.Contains(s[i:], "]") {
		return s, "", false
	}
	h := s[:i]
	bracketed := strings.HasPrefix(h, "[") && strings.HasSuffix(h, "]")
	if strings.Contains(h, ":") && !bracketed {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

func checkPort(s, port string) *formError {
	n, err := strconv.Atoi(port)
	if !isNumber(port) || err != nil || n > 65535 {
		return &formError{fmt.Sprintf("%q has the port %q", s, port), "a port from 0 to 65535", ""}
	}
	return nil
}

func suggestAddress(s string) string {
	if n, err := strconv.Atoi(s); err == nil && n >= 0 && n < 65536 {
		return strconv.Quote(":" + s)
	}
	if ip, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return strconv.Quote(netip.AddrPortFrom(ip, 8080).String())
	}
	if s == "localhost" {
		return `"localhost:8080"`
	}
	return ""
}

// parseBinding parses the text form of a binding: http://HOST:PORT or an address.
func parseBinding(s string) (Binding, *formError) {
	rest, isURL := strings.CutPrefix(s, "http://")
	if strings.HasPrefix(s, "https://") {
		return Binding{}, &formError{fmt.Sprintf("%q: https is not supported yet", s),
			"http://HOST:PORT", ""}
	}
	if !isURL {
		if strings.Contains(s, "://") {
			return Binding{}, &formError{fmt.Sprintf("%q has an unknown scheme", s),
				"http://HOST:PORT, " + addressForms, ""}
		}
		a, err := parseAddress(s)
		return Binding{Address: a, Host: "*"}, err
	}
	authority, p, _ := strings.Cut(rest, "/")
	if p != "" {
		return Binding{}, &formError{fmt.Sprintf("%q has a path", s),
			"http://HOST:PORT (paths belong to apps)", strconv.Quote("http://" + authority)}
	}
	host, port, ok := splitPort(authority)
	if !ok {
		return Binding{}, &formError{fmt.Sprintf("%q has no port", s), "http://HOST:PORT",
			strconv.Quote("http://" + authority + ":80")}
	}
	if host == "" {
		return Binding{}, &formError{fmt.Sprintf("%q has no host", s), "http://HOST:PORT",
			strconv.Quote(":" + port)}
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		a, err := parseAddress(authority)
		return Binding{Address: a, Host: "*"}, err
	}
	a, err := parseAddress(":" + port)
	if err != nil {
		return Binding{}, err
	}
	h, err := parseHost(host)
	return Binding{Address: a, Host: h}, err
}

// parseHost is the canonical form of a host pattern: +, *, *.NAME or NAME, in lower case.
//
// systems.md rows H11, H13: only the left-most label may be a wildcard.
func parseHost(s string) (string, *formError) {
	const forms = "a host name, *.NAME, + or *"
	if s == "+" || s == "*" {
		return s, nil
	}
	h := strings.ToLower(strings.TrimSuffix(s, "."))
	name := strings.TrimPrefix(h, "*.")
	if strings.Contains(name, "*") {
		return "", &formError{fmt.Sprintf("%q has a wildcard that is not the whole left-most label", s),
			forms, ""}
	}
	if _, _, ok := splitPort(h); ok {
		return "", &formError{fmt.Sprintf("%q has a port", s), forms, ""}
	}
	if name == "" || len(name) > hostBytesMax {
		return "", &formError{fmt.Sprintf("%q is not a host name", s), forms, ""}
	}
	for label := range strings.SplitSeq(name, ".") {
		if !isLabel(label) {
			return "", &formError{fmt.Sprintf("%q is not a host name", s),
				forms + " (letters, digits, - and _; other scripts in their xn-- form)", ""}
		}
	}
	return h, nil
}

func isLabel(s string) bool {
	if s == "" || len(s) > labelBytesMax || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// hostKind is the category of a canonical binding.
func hostKind(address, host string) HostKind {
	switch {
	case host == "+":
		return HostStrong
	case host != "*" && strings.HasPrefix(host, "*."):
		return HostSuffix
	case host != "*":
		return HostExact
	}
	if ip, ok := specificIP(address); ok && ip.IsValid() {
		return HostIP
	}
	return HostWeak
}

// specificIP is the IP of an address that is neither a wildcard nor a Unix socket.
func specificIP(address string) (netip.Addr, bool) {
	a, err := netip.ParseAddrPort(address)
	if err != nil || a.Addr().IsUnspecified() {
		return netip.Addr{}, false
	}
	return a.Addr(), true
}

// parsePrefix is the canonical form of an app's prefix: /, /shop, /v1.2/x.
func parsePrefix(s string) (string, *formError) {
	const want = "a path prefix such as /shop"
	if !strings.HasPrefix(s, "/") {
		return "", &formError{fmt.Sprintf("%q does not begin with /", s), want, strconv.Quote("/" + s)}
	}
	if s == "/" {
		return s, nil
	}
	p := strings.TrimSuffix(s, "/")
	for seg := range strings.SplitSeq(p[1:], "/") {
		if seg == "" || seg == "." || seg == ".." {
			return "", &formError{fmt.Sprintf("%q has an empty or dot segment", s), want, ""}
		}
	}
	if i := strings.IndexFunc(p, func(r rune) bool { return r <= ' ' || r == 0x7f }); i >= 0 ||
		strings.ContainsAny(p, "?#%*\\") {
		return "", &formError{fmt.Sprintf("%q holds bytes that no decoded path prefix has", s), want, ""}
	}
	return p, nil
}

// checkName accepts the names of sites and pools, which become parts of paths and commands.
func checkName(s string) (string, *formError) {
	const want = "a name of up to 63 letters, digits, - . and _, beginning with a letter or digit"
	if s == "" || len(s) > nameBytesMax || !isAlnum(s[0]) {
		return "", &formError{fmt.Sprintf("%q is not a name", s), want, ""}
	}
	for i := range len(s) {
		if !isAlnum(s[i]) && s[i] != '-' && s[i] != '_' && s[i] != '.' {
			return "", &formError{fmt.Sprintf("%q is not a name", s), want, ""}
		}
	}
	return s, nil
}

func isAlnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
