// Command weir is an HTTP front end with worker supervision.
package main

import "weir"

func main() {
	weir.Main(weir.App{Name: "weir", Handlers: map[string]weir.Setup{
		"demo":        demo,
		"demo-worker": demoWorker,
	}})
}
