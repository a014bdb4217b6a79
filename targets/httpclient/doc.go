// Package httpclient reads one HTTP server for checks: GET alone, over a few
// long-lived connections, with the reasons for failures that package
// redisclient has.
//
// Everything is bounded: connections (more requests wait for a free one until
// their deadline), the size of an answer and of its headers, and the time of a
// request. Redirects are refused, because they would send the password
// elsewhere; no proxy is used, and answers are not compressed.
//
// Reads of one path at the same moment share one request and its answer, and so
// do those within [Fresh] after it; so does a failure. A request therefore has
// a deadline of its own, and a caller who has less time stops waiting for it.
package httpclient
