package config

import (
	"fmt"
	"slices"
	"strings"
)

// Balance is how a worker is chosen among those with a free slot: by a rule that is one word, or by a
// hash of something of the request.
type Balance struct {
	Hash HashKey     `json:"hash"` // "": by Rule
	Rule BalanceRule `json:"rule" config:"derived"`
}

// BalanceRule is a rule that is one word.
type BalanceRule string

// Balancing rules that are one word.
var (
	BalanceLeastInFlight = Balance{Rule: "least-in-flight"}
	BalanceRoundRobin    = Balance{Rule: "round-robin"}
	BalanceRandom2       = Balance{Rule: "random-2"}
	BalanceSticky        = Balance{Rule: "sticky"}
)

var balanceWords = []string{
	string(BalanceLeastInFlight.Rule), string(BalanceRoundRobin.Rule), string(BalanceRandom2.Rule),
	string(BalanceSticky.Rule),
}

// HashKey is what requests are hashed by: client, header NAME or cookie NAME.
type HashKey string

const (
	balanceExpected = "least-in-flight, round-robin, random-2, sticky, or {hash: client}, " +
		"{hash: header NAME}, {hash: cookie NAME}"
	hashExpected = "client, header NAME or cookie NAME"
)

// Parts are client, header or cookie, and the name.
func (h HashKey) Parts() (by, name string) {
	by, name, _ = strings.Cut(string(h), " ")
	return by, name
}

func (b *Balance) setWord(_ *Key, s string) *unitError {
	if !slices.Contains(balanceWords, s) {
		return &unitError{fmt.Sprintf("%q is not known", s), nearest(s, balanceWords)}
	}
	*b = Balance{Rule: BalanceRule(s)}
	return nil
}

func (b *Balance) setMapped() *unitError {
	if b.Hash == "" {
		return &unitError{"is an empty mapping", ""}
	}
	b.Rule = ""
	return nil
}

func (b *Balance) words() []string {
	if b.Hash == "" {
		return []string{string(b.Rule)}
	}
	return []string{"hash", string(b.Hash)}
}

// String is the word, or {hash: client}.
func (b Balance) String() string { return formText(&b) }

// parseHash checks what a hash is by; single blanks in the result.
func parseHash(s string) (HashKey, error) {
	words := strings.Fields(s)
	switch {
	case len(words) == 1 && words[0] == "client":
	case len(words) == 2 && (words[0] == "header" || words[0] == "cookie") && isToken(words[1]) &&
		len(words[1]) <= tokenBytesMax:
	default:
		return "", &unitError{fmt.Sprintf("cannot hash by %q", s), ""}
	}
	return HashKey(strings.Join(words, " ")), nil
}

// isToken says whether s can be the name of a field or a cookie. RFC 9110 section 5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c-'0' >= 10 && (c|0x20)-'a' >= 26 && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}
