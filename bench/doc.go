// Command bench measures the plugin beside what people use to read Redis
// today, on this machine, against real servers, and writes RESULTS.md. Run it
// with `make bench-peers`, which builds what it needs.
//
// It is a module of its own so that the peers' libraries stay out of the
// plugin's. Each row of the results is a file named by its subject, compare_*.go. Contestants
// of a row take turns (A B A B), so that what else the machine does hits all of
// them; the tables show medians, and ratios are medians of the ratios of
// neighbouring turns.
package main
