package server

// serverTime is the time of the clock that the server dates its saves by, in
// seconds since 1970; ours may be another time.
func (d *derived) serverTime() (seconds int64, known bool) {
	if micros, ok := d.figures.count(figServerTime); ok {
		return micros / 1e6, true
	}
	return int64(d.clock), d.clock > 0
}

func (d *derived) writePersistence(w derivedWriter, t *trend) {
	f := &d.figures
	if saved, ok := f.count(figLastSave); ok && saved > 0 {
		seconds, known := d.serverTime()
		// The server dates the save by a clock that it has read later.
		w.count("rdb_save_age", max(0, seconds-saved), known && seconds >= saved-1)
	}
	d.writeRunning(w, "rdb_save_running_seconds", figSaving, figSaveTime)
	d.writeRunning(w, "aof_rewrite_running_seconds", figAOFRewriting, figRewriteTime)
	size, sizeKnown := f.count(figAOFSize)
	base, baseKnown := f.count(figAOFBase)
	w.percent("aof_growth_percent", size-base, base, sizeKnown && baseKnown && size >= base)
	w.count("aof_rewrite_age", int64(t.rewriteAge.Seconds()), t.rewriteAgeKnown)
}

// writeRunning writes for how long a child process has been writing to disk. The
// server says -1 for the time while there is none.
func (d *derived) writeRunning(w derivedWriter, name string, running, since figure) {
	f := &d.figures
	is, known := f.count(running)
	seconds, timed := f.count(since)
	switch {
	case !known:
	case is == 0:
		w.count(name, 0, true)
	default:
		w.count(name, seconds, timed)
	}
}

// writeLoading writes how far the loading of the data set is. The server's own
// figures are not taken: its time left is 1 while it does not know it, and of a
// replica's copy, whose size it does not know, it compares the bytes with the memory
// that the data took in the master.
// Source: redis src/server.c, genRedisInfoString
func (d *derived) writeLoading(w derivedWriter) {
	f := &d.figures
	loading, _ := f.count(figLoading)
	async, _ := f.count(figAsyncLoading)
	total, totalKnown := f.count(figLoadingTotal)
	loaded, loadedKnown := f.count(figLoadingLoaded)
	if loading == 0 && async == 0 || !totalKnown || !loadedKnown || total == 0 || loaded > total {
		return
	}
	w.percent("loading_percent", loaded, total, true)
	began, beganKnown := f.count(figLoadingStart)
	now, nowKnown := d.serverTime()
	if elapsed := now - began; beganKnown && nowKnown && elapsed > 1 && loaded > 0 { // whole seconds: one may be a moment
		w.count("loading_left_seconds", int64(float64(elapsed)*float64(total-loaded)/float64(loaded)), true)
	}
}
