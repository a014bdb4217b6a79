package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

const (
	// maxElements is how many elements a command may read or return.
	maxElements = 1000
	// maxStringBytes is the longest string that a command may go through.
	maxStringBytes = 1 << 20
	// maxMemberBytes is how many bytes the members of a key that a command returns
	// may have together, about.
	maxMemberBytes = 4 << 20
	// maxSamples bounds MEMORY USAGE, whose default is 5.
	maxSamples = 100
)

// cost is what must hold before a command is sent, beyond its arguments.
type cost struct {
	sizes []redisclient.Command // none of their answers may be more than most
	most  int64
	// members is how many members are returned, with their number asked by length:
	// by the memory that the server says the key takes, they are few enough in bytes.
	members int64
	length  redisclient.Command
	// repeats: members may be returned more often than once.
	repeats bool
	pattern string // which the server must match in bounded time
	// stream is one whose groups are gone through, with eachConsumer their consumers as
	// well.
	stream       string
	eachConsumer bool
}

// rule judges the arguments of a command: what it costs, or why it is refused.
type rule func(args []string) (cost, error)

// reads are the commands that redis.command runs, with the rule for each. They
// change nothing, not even a key's last access or the server's caches (TOUCH,
// PFCOUNT), and take the server no more than a millisecond or so.
var reads = func() map[string]rule {
	out := make(map[string]rule)
	for r, commands := range map[*rule]string{
		ptr(anyArguments): "strlen getbit bitfield_ro exists type ttl pttl expiretime pexpiretime dbsize randomkey " +
			"llen scard sismember smismember hlen hexists hstrlen httl hpttl hexpiretime hpexpiretime " +
			"zcard zscore zmscore zrank zrevrank zcount zlexcount geopos geodist geohash xlen " +
			"object|encoding object|freq object|idletime object|refcount vcard vdim bf.card ts.get",
		ptr(onePath):                         "json.type json.arrlen json.objlen json.strlen",
		ptr(whole("STRLEN", maxStringBytes)): "get substr bitcount bitpos",
		ptr(stringRange):                     "getrange",
		ptr(eachString):                      "mget",
		ptr(eachField):                       "hget hmget",
		ptr(oneElement):                      "lindex",
		ptr(whole("HLEN", maxElements)):      "hgetall hkeys hvals",
		ptr(whole("SCARD", maxElements)):     "smembers",
		ptr(whole("LLEN", maxElements)):      "lpos",
		ptr(listRange):                       "lrange",
		ptr(indexRange):                      "zrange zrevrange",
		ptr(limitedRange):                    "zrangebyscore zrevrangebyscore zrangebylex zrevrangebylex",
		ptr(streamRange):                     "xrange xrevrange",
		ptr(countAt(1, "HLEN")):              "hrandfield",
		ptr(countAt(1, "SCARD")):             "srandmember",
		ptr(countAt(1, "ZCARD")):             "zrandmember",
		ptr(optionsFrom(1, "")):              "scan",
		ptr(optionsFrom(2, "HLEN")):          "hscan",
		ptr(optionsFrom(2, "SCARD")):         "sscan",
		ptr(optionsFrom(2, "ZCARD")):         "zscan",
		ptr(pendingRange):                    "xpending",
		ptr(streamGroups):                    "xinfo|groups",
		ptr(streamConsumers):                 "xinfo|consumers",
		ptr(streamInfo):                      "xinfo|stream",
		ptr(memoryUsage):                     "memory|usage",
	} {
		for name := range strings.FieldsSeq(commands) {
			out[name] = *r
		}
	}
	return out
}()

func ptr(r rule) *rule { return &r }

// checkRead returns the problem for which a command may not be run: it is none
// of reads, or asks for too much. err is the conversation's.
func checkRead(ctx context.Context, t *item.Target, name string, args []string) (problem, err error) {
	rule, ok := reads[name]
	if !ok {
		return fmt.Errorf("redis.command does not run %q: it runs only commands that read little and change nothing, as GET, LLEN or HGET; "+
			"the documentation lists them", name), nil
	}
	c, problem := rule(args)
	if problem != nil {
		return fmt.Errorf("redis.command does not run this %s: %w", strings.ToUpper(name), problem), nil
	}
	if problem, err := info.CheckPattern(ctx, t, c.pattern); problem != nil || err != nil {
		return problem, err
	}
	return checkSizes(ctx, t, strings.ToUpper(name), &c)
}

// checkSizes asks the server for all that a command may cost. Memory of a server
// that does not tell it, or not to us, is not judged.
func checkSizes(ctx context.Context, t *item.Target, name string, c *cost) (problem, err error) {
	if problem, err := checkStream(ctx, t, name, c); problem != nil || err != nil {
		return problem, err
	}
	cmds := slices.Clone(c.sizes)
	if c.length != nil {
		cmds = append(cmds, c.length, redisclient.Command{"MEMORY", "USAGE", c.length[1]})
	}
	if len(cmds) == 0 {
		return nil, nil
	}
	values, err := t.DoAll(ctx, cmds...)
	if err != nil {
		return nil, err
	}
	for i, size := range c.sizes {
		n, err := values[i].Int64()
		var refused *resp.ServerError
		if errors.As(err, &refused) && refused.Code == "WRONGTYPE" || redisclient.UnknownCommand(err) {
			continue // the command itself will say so; Redis before 3.2 has no HSTRLEN
		}
		if err != nil {
			return fmt.Errorf("redis.command asks for the size of %q before it runs %s: %s: %w", size[1], name, size[0], err), nil
		}
		if n > c.most {
			return fmt.Errorf("redis.command does not run this %s: %s of %q is %d, and at most %d are read",
				name, size[0], size[1], n, c.most), nil
		}
	}
	if c.length == nil {
		return nil, nil
	}
	length, err1 := values[len(c.sizes)].Int64()
	bytes, err2 := values[len(c.sizes)+1].Int64()
	if err1 != nil || err2 != nil || length <= 0 {
		return nil, nil // the command itself tells what is wrong
	}
	members := c.members
	if !c.repeats {
		members = min(members, length)
	}
	if returned := float64(bytes) / float64(length) * float64(members); returned > maxMemberBytes {
		return fmt.Errorf("redis.command does not run this %s: %q takes %d bytes for %d members, and at most about %d bytes are read",
			name, c.length[1], bytes, length, maxMemberBytes), nil
	}
	return nil, nil
}

func anyArguments([]string) (cost, error) { return cost{}, nil }

// whole is for commands that go through all of a key.
func whole(size string, most int64) rule {
	return func(args []string) (cost, error) {
		if len(args) == 0 {
			return cost{}, nil // the server says what is missing
		}
		c := cost{sizes: []redisclient.Command{{size, args[0]}}, most: most}
		if size != "STRLEN" {
			c.length, c.members = c.sizes[0], maxElements
		}
		return c, nil
	}
}

// part is for commands that return a part of a key's members.
func part(length string, members int64, args []string) (cost, error) {
	return cost{length: redisclient.Command{length, args[0]}, members: members}, nil
}

// stringRange is GETRANGE key start end: a short part, or a short string.
func stringRange(args []string) (cost, error) {
	if len(args) == 3 && fewBetween(args[1], args[2], maxStringBytes) {
		return cost{}, nil
	}
	return whole("STRLEN", maxStringBytes)(args)
}

// eachString is for commands whose arguments are keys of strings.
func eachString(keys []string) (c cost, _ error) {
	c.most = maxStringBytes
	for _, key := range keys {
		c.sizes = append(c.sizes, redisclient.Command{"STRLEN", key})
	}
	return c, nil
}

// eachField is HMGET key field...
func eachField(args []string) (c cost, _ error) {
	c.most = maxStringBytes
	for i := 1; i < len(args); i++ {
		c.sizes = append(c.sizes, redisclient.Command{"HSTRLEN", args[0], args[i]})
	}
	return c, nil
}

// oneElement is LINDEX key index.
func oneElement(args []string) (cost, error) {
	if len(args) == 0 {
		return cost{}, nil
	}
	return part("LLEN", 1, args)
}

// listRange is LRANGE key start stop: few elements, or a short list.
func listRange(args []string) (cost, error) {
	if len(args) == 3 && fewBetween(args[1], args[2], maxElements) {
		return part("LLEN", maxElements, args)
	}
	return whole("LLEN", maxElements)(args)
}

// indexRange is ZRANGE key start stop, where BYSCORE and BYLEX make scores and
// names of the indexes.
func indexRange(args []string) (cost, error) {
	other := slices.ContainsFunc(args, func(arg string) bool { return strings.EqualFold(arg, "BYSCORE") || strings.EqualFold(arg, "BYLEX") })
	if !other && len(args) >= 3 && fewBetween(args[1], args[2], maxElements) {
		return part("ZCARD", maxElements, args)
	}
	return limitedRange(args)
}

// limitedRange is a range of a sorted set with LIMIT offset count, or of a small
// set. Of several LIMITs servers take the last.
func limitedRange(args []string) (cost, error) {
	limited := false
	for i := 3; i < len(args); i++ {
		if !strings.EqualFold(args[i], "LIMIT") {
			continue
		}
		limited = i+2 < len(args) && within(args[i+1], 0, maxElements) && within(args[i+2], 0, maxElements)
		if i += 2; !limited {
			break
		}
	}
	if limited {
		return part("ZCARD", maxElements, args)
	}
	return whole("ZCARD", maxElements)(args)
}

func streamRange(args []string) (cost, error) {
	var c cost
	if len(args) == 5 && strings.EqualFold(args[3], "COUNT") && within(args[4], 0, maxElements) {
		c, _ = part("XLEN", maxElements, args)
	} else {
		c, _ = whole("XLEN", maxElements)(args)
	}
	return c.ofStream(args, true), nil // MEMORY USAGE goes through all consumers
}

// ofStream adds what goes through groups.
func (c cost) ofStream(args []string, eachConsumer bool) cost {
	if len(args) > 0 {
		c.stream, c.eachConsumer = args[0], eachConsumer
	}
	return c
}

func streamGroups(args []string) (cost, error) { return cost{}.ofStream(args, false), nil }

func streamConsumers(args []string) (cost, error) { return cost{}.ofStream(args, true), nil }

// countAt is for commands whose argument at that place says how many members
// they return; one below zero, how many times they draw one.
func countAt(at int, length string) rule {
	return func(args []string) (cost, error) {
		if len(args) > at && !within(args[at], -maxElements, maxElements) {
			return cost{}, fmt.Errorf("its count is to be a number from %d to %d", -maxElements, maxElements)
		}
		if length == "" || len(args) == 0 {
			return cost{}, nil
		}
		n := int64(1)
		if len(args) > at {
			n, _ = strconv.ParseInt(args[at], 10, 64)
		}
		c, _ := part(length, max(n, -n), args)
		c.repeats = n < 0
		return c, nil
	}
}

// optionsFrom is for SCAN and its like, with options from that argument on.
func optionsFrom(from int, length string) rule {
	return func(args []string) (c cost, err error) {
		if length != "" && len(args) > 0 {
			c, _ = part(length, maxElements, args) // a step gives a small key as a whole
		}
		for i := from; i+1 < len(args); i += 2 {
			switch strings.ToUpper(args[i]) {
			case "COUNT":
				if !within(args[i+1], 1, maxElements) {
					return c, fmt.Errorf("its COUNT is to be a number from 1 to %d", maxElements)
				}
			case "MATCH":
				c.pattern = args[i+1]
			case "NOVALUES", "NOSCORES":
				i--
			}
		}
		return c, nil
	}
}

// pendingRange is XPENDING key group [[IDLE ms] start end count [consumer]]. Without a
// range it goes through all consumers.
func pendingRange(args []string) (cost, error) {
	at := 4
	if len(args) > 2 && strings.EqualFold(args[2], "IDLE") {
		at += 2
	}
	c, err := countAt(at, "")(args)
	return c.ofStream(args, true), err
}

// streamInfo is XINFO STREAM key [FULL [COUNT n]]; 0 would be all entries.
func streamInfo(args []string) (cost, error) {
	if len(args) >= 4 && !within(args[3], 1, maxElements) {
		return cost{}, fmt.Errorf("its COUNT is to be a number from 1 to %d", maxElements)
	}
	if len(args) == 0 {
		return cost{}, nil
	}
	c, _ := part("XLEN", maxElements, args) // without FULL it is the first and the last entry
	return c.ofStream(args, true), nil
}

// onePath is JSON.TYPE key [path] and its like, of one value: a path that may lead to
// many goes through all of the document.
func onePath(args []string) (cost, error) {
	if len(args) > 1 && (strings.ContainsAny(args[1], "*?:,") || strings.Contains(args[1], "..")) {
		return cost{}, fmt.Errorf("its path is to lead to one value: %q may lead to many", ask.Clip(args[1], ask.MaxName))
	}
	return cost{}, nil
}

// memoryUsage is MEMORY USAGE key [SAMPLES n]; 0 would be all members. Of several
// SAMPLES servers take the last.
func memoryUsage(args []string) (cost, error) {
	for i := 2; i < len(args); i += 2 {
		if !within(args[i], 1, maxSamples) {
			return cost{}, fmt.Errorf("its SAMPLES are to be a number from 1 to %d", maxSamples)
		}
	}
	return cost{}.ofStream(args, true), nil
}

func within(text string, low, high int64) bool {
	n, err := strconv.ParseInt(text, 10, 64)
	return err == nil && low <= n && n <= high
}

// fewBetween reports whether no more than most lie between two indexes, whatever
// the length.
func fewBetween(start, stop string, most int64) bool {
	from, err1 := strconv.ParseInt(start, 10, 64)
	to, err2 := strconv.ParseInt(stop, 10, 64)
	if err1 != nil || err2 != nil || (from < 0) != (to < 0) {
		return false
	}
	return to < from || to-from < most
}
