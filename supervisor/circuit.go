package supervisor

// onCircuit logs that a front keeps a worker that fails from requests, or gives it some again.
func (p *Pool) onCircuit(ref WorkerRef, why string) {
	w := p.workers[ref.N]
	if w == nil {
		return // it has gone meanwhile
	}
	log := p.ps.log.With("pool", ref.Pool, "worker", ref.String(), "pid", w.pid)
	if why == "" {
		log.Info("worker circuit", "from", "open", "to", "closed", "reason", "it answers, or is the last")
		return
	}
	log.Warn("worker circuit", "from", "closed", "to", "open", "reason", why)
}
