// Package worker is what runs inside a Go worker process: a program that Weir has started serves one
// handler on the socket it was given, says when it is ready, and finishes what it has begun when it is
// told to stop.
//
//	func main() {
//		if err := worker.Serve(context.Background(), handler); err != nil {
//			log.Fatal(err)
//		}
//	}
//
// The handler is that of package pipeline ([Serve]; the same code can run in the front's loops), of
// fasthttp ([ServeFastHTTP]) or of net/http ([ServeHTTP]).
package worker
