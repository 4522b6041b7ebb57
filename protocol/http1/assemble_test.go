package http1

import (
	"reflect"
	"testing"
)

const assembleHead = "POST /a/b?c=d HTTP/1.1\r\nHost: example.org:80\r\nX-Forwarded-For: 10.0.0.1\r\n" +
	"X-A-Name-Of-More-Than-Thirty-Two-Bytes-In-All: v\r\nA: \r\nUser-Agent: x\r\nAccept: 1\r\nAccept: 2\r\n\r\n"

// assemble makes the request as a mux worker does, from what parsing it says.
func assemble(r, parsed *Request) error {
	r.Assemble(parsed.b, &Outline{Method: len(parsed.Method()), Target: len(parsed.Target()),
		Path: len(parsed.Path()), ContentLength: 5, ExpectContinue: true})
	for i := range parsed.fields {
		f := &parsed.fields[i]
		r.AddField(int(f.name), int(f.nameLen), int(f.value), int(f.valueLen))
	}
	return r.EndFields()
}

// TestAssemble: an assembled request is the parsed one.
func TestAssemble(t *testing.T) {
	got := testAssemble(t, assembleHead)
	if got.ContentLength != 5 || !got.ExpectContinue || !got.KeepAlive || !got.HasBody() {
		t.Errorf("framing: %+v", got)
	}
	got.Assemble(got.b, &Outline{Method: 4, Target: 8, Path: 4})
	if err := got.EndFields(); err != ErrHostMissing {
		t.Errorf("without Host: %v; want %v", err, ErrHostMissing)
	}
	testAssemble(t, "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\nA: 1\r\n\r\n")
}

func testAssemble(t *testing.T, head string) *Request {
	t.Helper()
	var parsed, got Request
	if _, err := parsed.Parse([]byte(head), 0, nil); err != nil {
		t.Fatal(err)
	}
	got.query, got.https = span{1, 2}, true // of an earlier request
	if err := assemble(&got, &parsed); err != nil {
		t.Fatal(err)
	}
	for i := range parsed.NumFields() {
		if string(got.FieldName(i)) != string(parsed.FieldName(i)) ||
			string(got.FieldValue(i)) != string(parsed.FieldValue(i)) || got.KnownOf(i) != parsed.KnownOf(i) {
			t.Errorf("field %d: %s %q; want %s %q", i, got.FieldName(i), got.FieldValue(i),
				parsed.FieldName(i), parsed.FieldValue(i))
		}
	}
	type view struct {
		Method, Target, Path, Query, Host, Agent string
		Verb                                     Verb
		Form                                     Form
		Repeated                                 bool
	}
	of := func(r *Request) view {
		return view{string(r.Method()), string(r.Target()), string(r.Path()), string(r.Query()),
			string(r.Host()), string(r.Get(UserAgent)), r.Verb, r.Form, r.Repeated(Accept)}
	}
	if a, b := of(&got), of(&parsed); !reflect.DeepEqual(a, b) {
		t.Errorf("assembled %+v; want %+v", a, b)
	}
	return &got
}
