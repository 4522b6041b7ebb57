package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"weir/pipeline/pipelinetest"
	"weir/supervisor/worker"
)

// testworker is a worker program that knows nothing of Weir but the contract of the environment.
func testworker() {
	bind := flag.String("bind", "socket", "socket, port, inherit, none, or an address to bind instead")
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
	if *bind == "none" {
		testSidecar(*text, *late)
		return
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
		err = http.Serve(l, noted(workerMux(*text)))
	}
	fmt.Fprintln(os.Stderr, "testworker:", err)
	os.Exit(1)
}

// testSidecar listens nowhere. It ends at SIGTERM.
func testSidecar(text, late string) {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	fmt.Println(text)
	if late != "" {
		go notifyLate(late)
	}
	<-term
	fmt.Println("told to end")
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

// requests are those that came, path and Host, but for /seen and /healthz.
var requests struct {
	sync.Mutex
	list []string
}

func noted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/seen" && r.URL.Path != "/healthz" {
			requests.Lock()
			requests.list = append(requests.list, r.URL.RequestURI()+" "+r.Host)
			requests.Unlock()
		}
		if r.Method == http.MethodConnect { // has no path
			connectEcho(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// healthz answers 503 while the file named by the variable ILL is there, and 500 after /sick.
func healthz(w http.ResponseWriter, _ *http.Request) {
	if sick.Load() {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	if _, err := os.Stat(os.Getenv("ILL")); err == nil {
		w.WriteHeader(http.StatusServiceUnavailable)
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
	m.HandleFunc("/sleep", sleepFor)
	m.HandleFunc("/sleep/", sleepFor)
	m.HandleFunc("/named", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Accel-Redirect", r.FormValue("path"))
		fmt.Fprintln(w, "the worker's own")
	})
	m.HandleFunc("/sick", func(http.ResponseWriter, *http.Request) { sick.Store(true) })
	bulkHandlers(m)
	m.HandleFunc("/trailers", echoTrailers)
	m.HandleFunc("/answer", func(w http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.FormValue("code"))
		if _, err := os.Stat("broken"); err == nil { // a release that does not work
			code = http.StatusInternalServerError
		}
		w.WriteHeader(code)
	})
	m.HandleFunc("/grow", grow)
	m.HandleFunc("/recycle", func(_ http.ResponseWriter, r *http.Request) {
		if err := worker.RequestRecycle(r.FormValue("why")); err != nil {
			fmt.Fprintln(os.Stderr, "testworker:", err)
		}
	})
	m.HandleFunc("/hold", hold)
	m.HandleFunc("/holding", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, held.Load())
	})
	m.Handle("/ws", pipelinetest.WebSocketEcho(false))
	m.HandleFunc("/library", librarySocket)
	m.HandleFunc("/healthz", healthz)
	m.HandleFunc("/gate", func(http.ResponseWriter, *http.Request) {
		_, _ = os.ReadFile(os.Getenv("GATE")) // a FIFO: until somebody has written to it
	})
	m.HandleFunc("/seen", func(w http.ResponseWriter, _ *http.Request) {
		requests.Lock()
		defer requests.Unlock()
		fmt.Fprintln(w, strings.Join(requests.list, ", "))
	})
	m.HandleFunc("/burn", burn)
	m.HandleFunc("/try", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, try(r.FormValue("to"), r.FormValue("path")))
	})
	m.HandleFunc("/trickle", trickle)
	m.HandleFunc("/abort", abort)
	m.HandleFunc("/aborted", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, aborted.Load())
	})
	m.HandleFunc("/print", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.FormValue("lines"))
		fmt.Print(strings.Repeat(r.FormValue("text")+"\n", n))
	})
	return m
}

// grown is memory that /grow took.
var grown []byte

// grow takes 100 MiB and touches them.
func grow(http.ResponseWriter, *http.Request) {
	grown = make([]byte, 100<<20)
	for i := 0; i < len(grown); i += os.Getpagesize() {
		grown[i] = 1
	}
}

// sleepFor answers when its time is over.
func sleepFor(w http.ResponseWriter, r *http.Request) {
	d, _ := time.ParseDuration(r.FormValue("for"))
	select {
	case <-time.After(d):
		fmt.Fprintln(w, "slept")
	case <-r.Context().Done():
	}
}

// aborted is how many requests /abort has ended.
var aborted atomic.Int32

// abort ends the connection without an answer, where pid names this process or nobody.
func abort(_ http.ResponseWriter, r *http.Request) {
	if pid := r.FormValue("pid"); pid == "" || pid == strconv.Itoa(os.Getpid()) {
		aborted.Add(1)
		panic(http.ErrAbortHandler)
	}
}

// hold begins its answer and ends it when the client leaves.
func hold(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintln(w, "held", held.Add(1))
	defer held.Add(-1)
	_ = http.NewResponseController(w).Flush() // an error shows as a body that does not come
	<-r.Context().Done()
}

// try says how far a worker gets with what is not its own.
func try(what, path string) string {
	var err error
	switch what {
	case "connect":
		var c net.Conn
		if c, err = net.Dial("unix", path); err == nil {
			err = c.Close()
		}
	case "list":
		_, err = os.ReadDir(path)
	default:
		_, err = os.ReadFile(path)
	}
	var cause syscall.Errno
	if errors.As(err, &cause) {
		return cause.Error()
	}
	return fmt.Sprint(err)
}

// burn begins its answer and keeps a processor busy until the client leaves.
func burn(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintln(w, "burning")
	_ = http.NewResponseController(w).Flush() // an error shows as a body that does not come
	for r.Context().Err() == nil {
		runtime.Gosched()
	}
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
