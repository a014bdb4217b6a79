package storm

import (
	"strconv"

	"redisjobs/redisclient"
)

// A reader is the command that reads a key of a given type, nil if none does.
type reader = func(typ string) redisclient.Command

const (
	// maxMembers is how many members of a key of all jobs are read, so that a key
	// of any size blocks the server for no more than a few milliseconds.
	maxMembers = 2000
	// maxFields is how many fields of its own hash a job's record may have.
	maxFields = 500
)

// readOwn reads a job's own record. Of a string no more travels than shows that
// it is too large, of a hash no more fields.
func readOwn(key string) reader {
	return func(typ string) redisclient.Command {
		switch typ {
		case "hash":
			return scanCommand("HSCAN", key, maxFields)
		case "string":
			return redisclient.Command{"GETRANGE", key, "0", strconv.Itoa(maxRecord)}
		}
		return nil
	}
}

// scanCommand reads a whole hash or set of up to most members at once; of a larger
// one about as many, and the cursor says that there are more.
func scanCommand(name, key string, most int) redisclient.Command {
	return redisclient.Command{name, key, "0", "COUNT", strconv.Itoa(most)}
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
		return scanCommand("HSCAN", key, maxMembers)
	}
}

// readScores reads the heartbeats of all jobs.
func readScores(key string) reader {
	return func(typ string) redisclient.Command {
		if typ != "zset" {
			return nil
		}
		return redisclient.Command{"ZRANGE", key, "0", strconv.Itoa(maxMembers), "WITHSCORES"}
	}
}

// readIndex reads the names of all jobs.
func readIndex(key string) reader {
	scores, fields := readScores(key), readFields(key)
	return func(typ string) redisclient.Command {
		switch typ {
		case "set":
			return scanCommand("SSCAN", key, maxMembers)
		case "list":
			return redisclient.Command{"LRANGE", key, "0", strconv.Itoa(maxMembers)}
		case "hash":
			return fields(typ)
		default:
			return scores(typ)
		}
	}
}
