// Package item is the contract between an item key and the rest of the
// program: what a key is called and takes (Metric, Param), what one request
// works with (Request, Args, Target, Env), and what is remembered of a target
// between polls (Memory).
//
// It knows neither Zabbix nor any family of keys. Every family imports it, and
// nothing that it imports knows of metrics.
package item
