package passes

import "fmt"

// cursors notices when SCAN gives a cursor that it gave before: a scan that goes
// round never ends. It remembers one cursor, and takes another one after 1, 2,
// 4, 8, ... steps, so that a circle is noticed within three times its length and
// its way in. Redis gives no cursor twice: each is larger than the one before
// when its bits are read from the other end, whatever the table's size.
// Sources: R. P. Brent, "An improved Monte Carlo factorization algorithm" (1980);
// redis src/dict.c, dictScan
type cursors struct {
	kept     string
	steps    int
	lifetime int // of kept, in steps
}

// next takes a cursor, and returns an error when it came before.
func (c *cursors) next(cursor string) error {
	if cursor == c.kept {
		return &endlessError{cursor}
	}
	if c.steps++; c.steps >= c.lifetime {
		c.kept, c.steps, c.lifetime = cursor, 0, max(1, 2*c.lifetime)
	}
	return nil
}

// endlessError says that a scan goes round.
type endlessError struct{ cursor string }

func (e *endlessError) Error() string {
	return fmt.Sprintf("SCAN gives the cursor %.32q again and would never end: this server cannot list its keys", e.cursor)
}
