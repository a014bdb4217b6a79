package storm

import (
	"strconv"

	"redisjobs/redisclient"
)

// A reader is the command that reads a key of a given type, nil if none does.
type reader = func(typ string) redisclient.Command

// readOwn reads a job's own record. Of a string no more travels than shows
// that it is too large; a hash has no command for that.
func readOwn(key string) reader {
	return func(typ string) redisclient.Command {
		switch typ {
		case "hash":
			return redisclient.Command{"HGETALL", key}
		case "string":
			return redisclient.Command{"GETRANGE", key, "0", strconv.Itoa(maxRecord)}
		}
		return nil
	}
}

// readOne reads a job's share in a common key of one type.
func readOne(want, cmd, key, name string) reader {
	return func(typ string) redisclient.Command {
		if typ != want {
			return nil
		}
		return redisclient.Command{cmd, key, name}
	}
}

// readFields reads the records of all jobs.
func readFields(key string) reader {
	return func(typ string) redisclient.Command {
		if typ != "hash" {
			return nil
		}
		return redisclient.Command{"HGETALL", key}
	}
}

// readScores reads the heartbeats of all jobs.
func readScores(key string) reader {
	return func(typ string) redisclient.Command {
		if typ != "zset" {
			return nil
		}
		return redisclient.Command{"ZRANGE", key, "0", "-1", "WITHSCORES"}
	}
}

// readIndex reads the names of all jobs.
func readIndex(key string) reader {
	scores := readScores(key)
	return func(typ string) redisclient.Command {
		switch typ {
		case "set":
			return redisclient.Command{"SMEMBERS", key}
		case "list":
			return redisclient.Command{"LRANGE", key, "0", "-1"}
		case "hash":
			return redisclient.Command{"HKEYS", key}
		default:
			return scores(typ)
		}
	}
}
