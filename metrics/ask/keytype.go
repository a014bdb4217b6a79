package ask

import (
	"redisjobs/metrics/item"
)

var ParamKey = item.Param{Name: "Key", Required: true, Description: "the key, in the session's or the URI's database"}

// TypeNone is TYPE's word for a key that does not exist.
const TypeNone = "none"

// LengthCommands tell a key's length by its type.
var LengthCommands = map[string]string{
	"string": "STRLEN", "list": "LLEN", "set": "SCARD", "zset": "ZCARD", "hash": "HLEN", "stream": "XLEN",
}

const TypeMemory = "key type "
