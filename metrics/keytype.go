package metrics

var paramKey = Param{Name: "Key", Required: true, Description: "the key, in the session's or the URI's database"}

// typeNone is TYPE's word for a key that does not exist.
const typeNone = "none"

// lengthCommands tell a key's length by its type.
var lengthCommands = map[string]string{
	"string": "STRLEN", "list": "LLEN", "set": "SCARD", "zset": "ZCARD", "hash": "HLEN", "stream": "XLEN",
}

const keyTypeMemory = "key type "
