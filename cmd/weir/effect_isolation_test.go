//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"weir/supervisor/config"
)

// isolationRows are of what sets the workers of a pool apart.
var isolationRows = []keyRow{
	{
		key: "pools.*.user", set: edit{pool: `user: "nobody"`}, before: "0", after: "65534",
		probe: func(b *bed) string { return uidOf(workerPID(b)) }, needs: "root",
	},
	{
		key: "pools.*.umask", set: edit{pool: `umask: "0027"`}, before: "0022", after: "0027",
		probe: statusLine("Umask"),
	},
	{
		key: "pools.*.nice", set: edit{pool: "nice: 5"}, before: "0", after: "5", probe: niceness,
	},
	{
		key: "pools.*.cpus", set: edit{pool: "cpus: spread"}, before: "all", after: "one",
		probe: processors,
	},
	{ // programs in Go are told, too
		key: "pools.*.cpus", base: edit{pool: "env: {inherit: false, keep: [PATH]}"},
		set:    edit{pool: "env: {inherit: false, keep: [PATH]}, cpus: spread"},
		before: "false", after: "1 true", probe: body("/env?name=GOMAXPROCS"),
	},
	{
		key: "pools.*.no_new_privs", set: edit{pool: "no_new_privs: off"}, before: "1", after: "0",
		probe: statusLine("NoNewPrivs"),
	},
	{
		key: "pools.*.rlimits.nofile", set: edit{pool: "rlimits: {nofile: 222}"}, before: never,
		after: "222 222", probe: rlimit("open files"),
	},
	{
		key: "pools.*.rlimits.nproc", set: edit{pool: "rlimits: {nproc: 5555}"}, before: never,
		after: "5555 5555", probe: rlimit("processes"),
	},
	{
		key: "pools.*.rlimits.core", base: edit{pool: "rlimits: {core: 1MiB}"},
		set: edit{pool: "rlimits: {core: 0B}"}, before: "1048576 1048576", after: "0 0",
		probe: rlimit("core file size"),
	},
	{
		key: "pools.*.rlimits.as", set: edit{pool: "rlimits: {as: 32GiB}"}, before: never,
		after: "34359738368 34359738368", probe: rlimit("address space"),
	},
	{
		key: "pools.*.rlimits.fsize", set: edit{pool: "rlimits: {fsize: 1GB}"}, before: never,
		after: "1000000000 1000000000", probe: rlimit("file size"),
	},
	{
		key: "pools.*.rlimits.stack", base: edit{pool: "rlimits: {stack: 3MiB}"},
		set: edit{pool: "rlimits: {stack: 2MiB}"}, before: "3145728 3145728",
		after: "2097152 2097152", probe: rlimit("stack size"),
	},
	{
		key: "pools.*.rlimits.memlock", set: edit{pool: "rlimits: {memlock: 32KiB}"}, before: never,
		after: "32768 32768", probe: rlimit("locked memory"),
	},
	{
		key: "pools.*.cgroup.memory", set: edit{pool: "cgroup: {memory: 256MiB}"},
		before: "nothing", after: "limited or said", probe: cgroupLimit("memory.max", "268435456",
			"cgroup.memory"),
	},
	{
		key: "pools.*.cgroup.memory", set: edit{pool: "cgroup: {memory: 256MiB}"},
		before: "false", after: "241591905B true", probe: body("/env?name=GOMEMLIMIT"),
	},
	{
		key: "pools.*.cgroup.pids", set: edit{pool: "cgroup: {pids: 321}"},
		before: "nothing", after: "limited or said", probe: cgroupLimit("pids.max", "321",
			"cgroup.pids"),
	},
	{
		key: "pools.*.cpu_limit.percent", set: edit{pool: "cpu_limit: {percent: 100%}"},
		before: "false", after: "1 true", probe: body("/env?name=GOMAXPROCS"),
	},
	{
		key: "pools.*.cpu_limit.interval", before: never, // within the default nothing would be said
		set:   edit{pool: "cpu_limit: {percent: 1%, interval: 1s}"},
		after: "kept", probe: afterBurning,
	},
	{
		key: "pools.*.cpu_limit.action", base: edit{pool: "cpu_limit: {percent: 1%, interval: 1s}"},
		set:    edit{pool: "cpu_limit: {percent: 1%, interval: 1s, action: kill}"},
		before: "kept", after: "replaced", probe: afterBurning,
	},
	{
		key:    "pools.*.cpu_limit.action",
		set:    edit{pool: "cpu_limit: {percent: 50%, action: throttle}"},
		before: "nothing", after: "limited or said", probe: cgroupLimit("cpu.max", "50000 100000",
			"cpu_limit.action throttle"),
	},
	{
		key:    "pools.*.cpu_limit.action",
		set:    edit{pool: "cpu_limit: {percent: 50%, action: throttle-under-load}"},
		before: "nothing", after: "limited or said", probe: cgroupLimit("cpu.weight", "50",
			"cpu_limit.action throttle-under-load"),
	},
	{
		key: "pools.*.cgroup.memory", base: edit{pool: "env: {inherit: false, keep: [PATH]}"},
		set:    edit{pool: "env: {inherit: false, keep: [PATH]}, cgroup: {memory: 100MB}"},
		before: "false", after: "90000000B true", probe: body("/env?name=GOMEMLIMIT"),
	},
}

func workerPID(b *bed) int {
	pid, err := strconv.Atoi(body("/pid")(b))
	if err != nil {
		b.instance.t.Fatalf("worker: %v", err)
	}
	return pid
}

// workerFile is a file of the worker's in /proc.
func workerFile(b *bed, name string) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", workerPID(b), name))
	if err != nil {
		b.instance.t.Fatalf("worker: %v", err)
	}
	return string(text)
}

// statusLine is a value of the worker's /proc/PID/status.
func statusLine(name string) probe {
	return func(b *bed) string {
		_, after, _ := strings.Cut(workerFile(b, "status"), "\n"+name+":")
		value, _, _ := strings.Cut(after, "\n")
		return strings.TrimSpace(value)
	}
}

// rlimit is soft and hard limit of the worker.
func rlimit(name string) probe {
	re := regexp.MustCompile(`(?m)^Max ` + name + `\s+(\S+)\s+(\S+)`)
	return func(b *bed) string {
		m := re.FindStringSubmatch(workerFile(b, "limits"))
		if m == nil {
			return "no such limit"
		}
		return m[1] + " " + m[2]
	}
}

// niceness is the worker's above the supervisor's.
func niceness(b *bed) string {
	worker, err := unix.Getpriority(unix.PRIO_PROCESS, workerPID(b))
	if err != nil {
		b.instance.t.Fatalf("worker: %v", err)
	}
	own, err := unix.Getpriority(unix.PRIO_PROCESS, b.cmd.Process.Pid)
	if err != nil {
		b.instance.t.Fatalf("worker: %v", err)
	}
	return strconv.Itoa(own - worker) // the system call counts downwards
}

// processors says whether the worker is bound to one processor, and knows.
func processors(b *bed) string {
	list, err := config.ParseCPUList(statusLine("Cpus_allowed_list")(b))
	if err != nil {
		return err.Error()
	}
	if len(list) == 1 && body("/env?name=GOMAXPROCS")(b) == "1 true" {
		return "one"
	}
	return "all"
}

// cgroupLimit says whether the worker's cgroup has a limit, or the log that there can be none.
func cgroupLimit(file, want, key string) probe {
	return func(b *bed) string {
		_, path, _ := strings.Cut(workerFile(b, "cgroup"), "0::")
		path = strings.TrimSpace(path)
		for _, mount := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
			got, err := os.ReadFile(filepath.Join(mount, path, file))
			if err == nil && strings.TrimSpace(string(got)) == want && strings.Contains(path, "/weir-") {
				return "limited or said"
			}
		}
		lines, _ := b.stderr.from(0)
		for _, l := range lines {
			if strings.Contains(l, "unsupported here: "+key+": ") {
				return "limited or said"
			}
		}
		return "nothing"
	}
}

// afterBurning says what becomes of a worker that uses a whole processor.
func afterBurning(b *bed) string {
	before := b.settled("p", 1)
	at := b.stderr.count()
	return holding(b, "/burn", func() string {
		if _, ok := b.stderr.await(at, regexp.MustCompile(`worker above its cpu limit.*pool=p `)); !ok {
			return "unnoticed"
		}
		// What follows was begun before the loop answers this.
		if p := poolOf(b.status(), "p"); len(p.Workers) > 1 || !before[p.Workers[0].PID] ||
			p.Workers[0].Stale != "" {
			return "replaced"
		}
		return "kept"
	})
}
