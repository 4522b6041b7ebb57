package netpoll

const (
	tableShift = 9
	tablePage  = 1 << tableShift
)

// connTable finds connections by descriptor. It grows page by page and copies nothing: 8 bytes a
// descriptor.
type connTable struct {
	pages []*[tablePage]*Conn
}

// at is the connection of fd, or nil.
//
// Hot path: once per event. No allocation: TestTurnAllocs.
func (t *connTable) at(fd int) *Conn {
	if p := fd >> tableShift; p < len(t.pages) && t.pages[p] != nil {
		return t.pages[p][fd&(tablePage-1)]
	}
	return nil
}

func (t *connTable) put(fd int, c *Conn) {
	p := fd >> tableShift
	for p >= len(t.pages) {
		t.pages = append(t.pages, nil)
	}
	if t.pages[p] == nil {
		t.pages[p] = new([tablePage]*Conn)
	}
	t.pages[p][fd&(tablePage-1)] = c
}

// each calls f for every connection.
func (t *connTable) each(f func(*Conn)) {
	for _, page := range t.pages {
		if page == nil {
			continue
		}
		for _, c := range page {
			if c != nil {
				f(c)
			}
		}
	}
}
