package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// testworker is a worker program that knows nothing of Weir but the contract of the environment.
func testworker() {
	bind := flag.String("bind", "socket", "socket, port, inherit, or an address to bind instead")
	late := flag.String("late", "", "say READY=1 when this file, a FIFO, is written to")
	deaf := flag.Bool("deaf", false, "ignore SIGTERM")
	idle := flag.Bool("idle", false, "accept nothing")
	text := flag.String("say", "testworker", "what / answers")
	watchdog := flag.Bool("watchdog", false, "say WATCHDOG=1 as often as WATCHDOG_USEC asks for")
	kind := flag.String("kind", "", "liar: breaks the rules of HTTP; one: one connection at a time")
	flag.Parse()
	if *deaf {
		signal.Ignore(syscall.SIGTERM)
	}
	l, err := workerListener(*bind)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testworker:", err)
		os.Exit(1)
	}
	if *late != "" {
		go notifyLate(*late)
	}
	if *watchdog {
		go sayWatchdog()
	}
	if *idle {
		select {}
	}
	switch *kind {
	case "liar":
		err = serveLies(l)
	case "one":
		err = serveOne(l)
	default:
		err = http.Serve(l, workerMux(*text))
	}
	fmt.Fprintln(os.Stderr, "testworker:", err)
	os.Exit(1)
}

func workerListener(bind string) (net.Listener, error) {
	switch bind {
	case "socket":
		return net.Listen("unix", os.Getenv("WEIR_SOCKET"))
	case "short": // an accept queue of one
		return shortListener(os.Getenv("WEIR_SOCKET"))
	case "port":
		return net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	case "inherit":
		if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) || os.Getenv("LISTEN_FDS") != "1" {
			return nil, fmt.Errorf("no socket was passed")
		}
		return net.FileListener(os.NewFile(3, "listener"))
	}
	return net.Listen("tcp", bind)
}

// shortListener has the shortest accept queue that the kernel knows.
func shortListener(path string) (net.Listener, error) {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		err = syscall.Bind(fd, &syscall.SockaddrUnix{Name: path})
	}
	if err == nil {
		err = syscall.Listen(fd, 0)
	}
	if err != nil {
		return nil, err
	}
	return net.FileListener(os.NewFile(uintptr(fd), path))
}

// notifyLate says READY=1 when somebody has written to the FIFO.
func notifyLate(fifo string) {
	f, err := os.Open(fifo)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testworker:", err)
		os.Exit(1)
	}
	_, _ = io.ReadAll(f) // what it says does not matter
	c, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET"))
	if err == nil {
		_, err = io.WriteString(c, "READY=1")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "testworker:", err)
	}
}

// sayWatchdog says WATCHDOG=1 twice as often as it must.
func sayWatchdog() {
	usec, err := strconv.Atoi(os.Getenv("WATCHDOG_USEC"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "testworker: WATCHDOG_USEC:", err)
		os.Exit(1)
	}
	c, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "testworker:", err)
		os.Exit(1)
	}
	for range time.Tick(time.Duration(usec) * time.Microsecond / 2) {
		_, _ = io.WriteString(c, "WATCHDOG=1") // the supervisor's end is our end
	}
}

// sick: /healthz answers 500.
var sick atomic.Bool

// held is how many requests /hold has open.
var held atomic.Int32

func workerMux(text string) *http.ServeMux {
	m := http.NewServeMux()
	m.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, text) })
	m.HandleFunc("/pid", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, os.Getpid())
	})
	m.HandleFunc("/env", func(w http.ResponseWriter, r *http.Request) {
		v, ok := os.LookupEnv(r.FormValue("name"))
		fmt.Fprintf(w, "%s %t\n", v, ok)
	})
	m.HandleFunc("/pwd", func(w http.ResponseWriter, _ *http.Request) {
		wd, _ := os.Getwd() // "" shows in the test
		fmt.Fprintln(w, wd)
	})
	m.HandleFunc("/fields", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(r.Header) // the front is gone: nobody to tell
	})
	m.HandleFunc("/body", func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprintln(w, n, err)
	})
	m.HandleFunc("/sleep", func(w http.ResponseWriter, r *http.Request) {
		d, _ := time.ParseDuration(r.FormValue("for"))
		select {
		case <-time.After(d):
			fmt.Fprintln(w, "slept")
		case <-r.Context().Done():
		}
	})
	m.HandleFunc("/sick", func(http.ResponseWriter, *http.Request) { sick.Store(true) })
	m.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		if sick.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	bulkHandlers(m)
	m.HandleFunc("/trailers", echoTrailers)
	m.HandleFunc("/hold", hold)
	m.HandleFunc("/trickle", trickle)
	m.HandleFunc("/print", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.FormValue("lines"))
		fmt.Print(strings.Repeat(r.FormValue("text")+"\n", n))
	})
	return m
}

// hold begins its answer and ends it when the client leaves.
func hold(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintln(w, "held", held.Add(1))
	defer held.Add(-1)
	_ = http.NewResponseController(w).Flush() // an error shows as a body that does not come
	<-r.Context().Done()
}

// trickle sends a byte every 10 ms, for ever.
func trickle(w http.ResponseWriter, r *http.Request) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		fmt.Fprint(w, ".")
		if http.NewResponseController(w).Flush() != nil {
			return
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}
