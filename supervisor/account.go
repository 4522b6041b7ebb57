package supervisor

import (
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
)

// account is who a process runs as.
type account struct {
	uid, gid int
	groups   []int
	home     string // "": unknown
	name     string // "": unknown
	switched bool   // differs from the supervisor's own: the spawn helper must change to it
}

// ownAccount is the supervisor's.
func ownAccount() account { return account{uid: os.Geteuid(), gid: os.Getegid()} }

// lookupAccount resolves USER[:GROUP], names or numbers; "" is the supervisor's own account. The
// supplementary groups are the user's; with GROUP given, that group alone.
func lookupAccount(spec string) (account, error) {
	if spec == "" {
		return ownAccount(), nil
	}
	name, group, hasGroup := strings.Cut(spec, ":")
	a := account{switched: true}
	u, err := user.Lookup(name)
	if err != nil {
		u, err = user.LookupId(name)
	}
	switch uid, numErr := strconv.Atoi(name); {
	case err == nil:
		a.uid, _ = strconv.Atoi(u.Uid) // POSIX systems have numbers
		a.gid, _ = strconv.Atoi(u.Gid)
		a.name, a.home = u.Username, u.HomeDir
		a.groups = groupsOf(u)
	case numErr == nil && uid >= 0: // a number without an entry, as in containers
		a.uid, a.gid = uid, uid
	default:
		return account{}, fmt.Errorf("user %q: %w", name, err)
	}
	if hasGroup {
		if a.gid, err = lookupGroup(group); err != nil {
			return account{}, err
		}
		a.groups = nil
	}
	if len(a.groups) == 0 {
		a.groups = []int{a.gid}
	}
	if own := ownAccount(); a.uid == own.uid && own.uid != 0 {
		if a.gid == own.gid {
			return own, nil // nothing to change, and no right to
		}
	}
	return a, nil
}

// workerAccount is lookupAccount without supplementary groups: what a pool's user may besides, its
// workers may not.
func workerAccount(spec string) (account, error) {
	a, err := lookupAccount(spec)
	if a.switched {
		a.groups = []int{a.gid}
	}
	return a, err
}

// identity is environ with what tells a program who it is: the account's, not the supervisor's.
func (a *account) identity(environ []string) []string {
	if !a.switched || a.name == "" {
		return environ
	}
	own := map[string]string{"HOME": a.home, "USER": a.name, "LOGNAME": a.name}
	list := make([]string, 0, len(environ)+len(own))
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		if _, ok := own[name]; !ok {
			list = append(list, kv)
		}
	}
	for name, value := range own {
		list = append(list, name+"="+value)
	}
	return list
}

func groupsOf(u *user.User) []int {
	ids, err := u.GroupIds()
	if err != nil {
		return nil // the primary group is known
	}
	var groups []int
	for _, id := range ids {
		if g, err := strconv.Atoi(id); err == nil && !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	return groups
}

func lookupGroup(name string) (int, error) {
	if g, err := user.LookupGroup(name); err == nil {
		return strconv.Atoi(g.Gid)
	}
	if id, err := strconv.Atoi(name); err == nil && id >= 0 {
		return id, nil
	}
	return 0, fmt.Errorf("group %q: unknown", name)
}
