package main

import "net/url"

// queryValue is the first value of a query parameter, "" when there is none.
func queryValue(query, name string) string {
	values, err := url.ParseQuery(query)
	if err != nil {
		return ""
	}
	return values.Get(name)
}
