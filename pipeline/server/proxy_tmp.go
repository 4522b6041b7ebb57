package server

func (s *session) readProxy(b []byte) int { return len(b) }
