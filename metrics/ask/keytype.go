package ask

import (
	"redisjobs/metrics/item"
)

var ParamKey = item.Param{Name: "Key", Required: true, Description: "the key, in the session's or the URI's database"}

// TypeNone is TYPE's word for a key that does not exist.
const TypeNone = "none"

// LengthCommands tell a key's length by its type. Vector sets exist from Redis 8.0
// on, arrays from 8.8 on: of these it is the elements that are set.
// Sources: https://redis.io/docs/latest/commands/vcard/,
// https://redis.io/docs/latest/commands/arcount/
var LengthCommands = map[string]string{
	"string": "STRLEN", "list": "LLEN", "set": "SCARD", "zset": "ZCARD", "hash": "HLEN", "stream": "XLEN",
	"vectorset": "VCARD", "array": "ARCOUNT",
}

const TypeMemory = "key type "
