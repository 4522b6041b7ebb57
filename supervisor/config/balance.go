package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	yaml "go.yaml.in/yaml/v4"
)

// Balance is how a worker is chosen among those with a free slot: one of the words below, or
// "{hash: client}", "{hash: header NAME}", "{hash: cookie NAME}".
type Balance string

// Balancing rules that are one word.
const (
	BalanceLeastInFlight Balance = "least-in-flight"
	BalanceRoundRobin    Balance = "round-robin"
	BalanceRandom2       Balance = "random-2"
	BalanceSticky        Balance = "sticky"
)

var balanceWords = []string{
	string(BalanceLeastInFlight), string(BalanceRoundRobin), string(BalanceRandom2),
	string(BalanceSticky),
}

const (
	balanceExpected = "least-in-flight, round-robin, random-2, sticky, or {hash: client}, " +
		"{hash: header NAME}, {hash: cookie NAME}"
	hashExpected = "client, header NAME or cookie NAME"
)

// Hash is what requests are hashed by, client, header or cookie, and its name; "" when they are
// not.
func (b Balance) Hash() (by, name string) {
	hash, ok := strings.CutPrefix(string(b), "{hash: ")
	if !ok {
		return "", ""
	}
	by, name, _ = strings.Cut(strings.TrimSuffix(hash, "}"), " ")
	return by, name
}

var balanceType = reflect.TypeFor[Balance]()

// bindBalance binds a word or {hash: BY}; also as text, which is how a flag says it.
func (b *binder) bindBalance(p path, n *yaml.Node, v reflect.Value) {
	if n.Kind == yaml.ScalarNode && strings.HasPrefix(n.Value, "{") {
		at := *n
		n = parseValue(n.Value)
		n.Line, n.Column = at.Line, at.Column
	}
	if n.Kind != yaml.MappingNode {
		if b.bindScalar(p, n, v) {
			b.origins[p.key] = b.at(n)
		}
		return
	}
	hash := ""
	before := len(b.errs)
	b.members(p, n, balanceExpected, func(name string, k, val *yaml.Node) {
		if name != "hash" {
			b.unknownKey(p, k, []string{"hash"})
			return
		}
		val, ok := b.enter(p, val)
		if !ok {
			return
		}
		defer b.leave()
		if val.Kind != yaml.ScalarNode || isNull(val) {
			b.fail(p, val, "has a hash that is "+describe(val), hashExpected, "")
			return
		}
		hash, ok = parseHash(val.Value)
		if !ok {
			b.fail(p, val, fmt.Sprintf("cannot hash by %q", val.Value), hashExpected, "")
		}
	})
	switch {
	case len(b.errs) > before:
	case hash == "":
		b.fail(p, n, "is an empty mapping", balanceExpected, "")
	default:
		v.SetString("{hash: " + hash + "}")
		b.origins[p.key] = b.at(n)
	}
}

// parseHash checks what a hash is by; single blanks in the result.
func parseHash(s string) (string, bool) {
	words := strings.Fields(s)
	switch {
	case len(words) == 1 && words[0] == "client":
	case len(words) == 2 && (words[0] == "header" || words[0] == "cookie"):
		if !isToken(words[1]) || len(words[1]) > tokenBytesMax {
			return "", false
		}
	default:
		return "", false
	}
	return strings.Join(words, " "), true
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

func parseBalance(s string) (Balance, error) {
	if slices.Contains(balanceWords, s) {
		return Balance(s), nil
	}
	return "", &unitError{fmt.Sprintf("%q is not known", s), nearest(s, balanceWords)}
}
