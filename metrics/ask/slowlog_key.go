package ask

import (
	"strconv"
	"strings"

	"redisjobs/metrics/jsondoc"
)

// firstKeyCommands are the commands whose first argument is a key; of those in the
// second list it is the one behind a subcommand, which is no argument here. What
// stands in neither list, as the commands of modules, and of renamed ones, shows no
// key: it might show a password.
// Source: the key specifications in redis and valkey src/commands
var firstKeyCommands = wordSet(`append bitcount bitfield bitfield_ro bitpos blmove blpop brpop brpoplpush bzpopmax bzpopmin copy decr decrby
	del delex delifeq digest dump exists expire expireat expiretime geoadd geodist geohash geopos georadius georadius_ro georadiusbymember
	georadiusbymember_ro geosearch geosearchstore get getbit getdel getex getrange getset hdel hexists hexpire hexpireat hexpiretime hget
	hgetall hgetdel hgetex hincrby hincrbyfloat hkeys hlen hmget hmset hpersist hpexpire hpexpireat hpexpiretime hpttl hrandfield hscan
	hset hsetex hsetnx hstrlen httl hvals incr incrby incrbyfloat lcs lindex linsert llen lmove lpop lpos lpush lpushx lrange lrem lset
	ltrim mget move mset msetnx persist pexpire pexpireat pexpiretime pfadd pfcount pfmerge psetex pttl rename renamenx restore rpop
	rpoplpush rpush rpushx sadd scard sdiff sdiffstore set setbit setex setnx setrange sinter sinterstore sismember smembers smismember
	smove sort sort_ro spop srandmember srem sscan strlen substr sunion sunionstore touch ttl type unlink vadd vcard vdim vemb vgetattr
	vinfo vismember vlinks vrandmember vrange vrem vsetattr vsim watch xack xackdel xadd xautoclaim xcfgset xclaim xdel xdelex xidmprecord xlen xpending xrange
	xrevrange xsetid xtrim zadd zcard zcount zdiffstore zincrby zinterstore zlexcount zmscore zpopmax zpopmin zrandmember zrange
	zrangebylex zrangebyscore zrangestore zrank zrem zremrangebylex zremrangebyrank zremrangebyscore zrevrange zrevrangebylex
	zrevrangebyscore zrevrank zscan zscore zunionstore
	memory|usage object|encoding object|freq object|idletime object|refcount xgroup|create xgroup|createconsumer xgroup|delconsumer
	xgroup|destroy xgroup|setid xinfo|consumers xinfo|groups xinfo|stream`)

// countedKeyCommands are those that say how many keys follow: which argument tells
// it, and the first key stands behind that.
var countedKeyCommands = map[string]int{
	"eval": 1, "eval_ro": 1, "evalsha": 1, "evalsha_ro": 1, "fcall": 1, "fcall_ro": 1, "blmpop": 1, "bzmpop": 1,
	"lmpop": 0, "zmpop": 0, "sintercard": 0, "zdiff": 0, "zinter": 0, "zintercard": 0, "zunion": 0, "msetex": 0,
}

func wordSet(words string) map[string]bool {
	out := make(map[string]bool)
	for word := range strings.FieldsSeq(words) {
		out[word] = true
	}
	return out
}

// key is the first key that the command works on, by the rules of shownArgs; ok is
// false when it has none, or none that is known.
func (e *SlowEntry) FirstKey() (key string, ok bool) {
	at := -1
	counted, isCounted := countedKeyCommands[e.Command]
	switch {
	case firstKeyCommands[e.Command]:
		at = 0
	case e.Command == "bitop":
		at = 1
	case e.Command == "xread" || e.Command == "xreadgroup":
		for i, arg := range e.Args {
			if strings.EqualFold(arg, "streams") {
				at = i + 1
				break
			}
		}
	case isCounted && counted < len(e.Args):
		if n, err := strconv.Atoi(e.Args[counted]); err == nil && n > 0 {
			at = counted + 1
		}
	}
	if at < 0 || at >= len(e.Args) {
		return "", false
	}
	return Clip(e.Args[at], MaxSlowlogText), true
}

// WriteWithKey writes the entry as a member of that name, with its first key and
// without its arguments.
func (e *SlowEntry) WriteWithKey(w *jsondoc.Writer, member string) {
	w.Key(member).BeginObject()
	w.Key("id").Int(e.ID)
	e.writeTime(w)
	w.Key("duration").Float(float64(e.Micros) / 1e6)
	w.Key("command").String(e.Command)
	if key, ok := e.FirstKey(); ok {
		w.Key("key").String(key)
	}
	if e.HasClient {
		w.Key("client").String(Clip(e.Client, MaxSlowlogText))
		w.Key("client_name").String(Clip(e.ClientName, MaxSlowlogText))
	}
	w.EndObject()
}
