package rehearsal

// Logins is how many logins the database has let in.
func (w *World) Logins() int { return w.database.Stats().Logins }

// Harm is what a run of the ladder did to others: wrong passwords counted
// against accounts, and handshakes that the database counts against the host.
func (w *World) Harm() (wrongPasswords, unfinished int) {
	alice, _ := w.corp.Failures("alice")
	etl, _ := w.corp.Failures("etl")
	carol, _ := w.onprem.Failures("carol")
	w.database.Wait(0)
	return alice + etl + carol, w.database.Stats().Unfinished
}
