package supervisor

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
)

// procStat is what /proc/PID/stat says of where a process belongs.
type procStat struct {
	state   byte
	parent  int
	group   int
	session int
}

func readStat(pid int) (procStat, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return procStat{}, err
	}
	i := bytes.LastIndexByte(b, ')') // the program's name may hold anything
	if i < 0 {
		return procStat{}, errors.New("supervisor: /proc stat: no name")
	}
	var s procStat
	_, err = fmt.Sscanf(string(b[i+1:]), " %c %d %d %d", &s.state, &s.parent, &s.group, &s.session)
	return s, err
}
