// Package weir is an HTTP front end with worker supervision for Unix: an event loop per core accepts
// and parses, a chain of middleware runs, and a handler on the loop or a supervised worker process
// answers.
//
// A program becomes such a server by [Main]: it gets the command line, the configuration file and
// both hostings. A program that wants a fast front end inside itself uses [Server], whose pools
// ([NewPool]) are those of a configuration file.
package weir
