package conf

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// maxCommand bounds the text of a command, in bytes.
const maxCommand = 2048

// Command is a program that prints a password. It has no text that can be
// printed: its arguments may hold a secret. The zero value is no command.
type Command struct {
	text     Secret
	lifetime time.Duration
}

// IsZero reports whether there is no command.
func (c Command) IsZero() bool { return c == Command{} }

// Lifetime is how long a password that it printed is used.
func (c Command) Lifetime() time.Duration { return c.lifetime }

// Key is the same for equal commands, whatever their lifetimes.
func (c Command) Key() Secret { return c.text }

// Args are the absolute path of the program and its arguments.
func (c Command) Args() []string {
	args, _ := splitCommand(c.text.Reveal()) // it was read when it was set
	return args
}

// splitCommand splits a command into words as PasswordCommand documents it: at
// blanks that stand in no quotes. Quotes of either kind keep everything between
// them, and go away; nothing else has a meaning, neither backslashes, which are
// in the paths of Windows, nor variables. Errors do not repeat the text: it may be
// a password in the wrong place.
func splitCommand(text string) ([]string, error) {
	if len(text) > maxCommand {
		return nil, fmt.Errorf("is longer than %d bytes", maxCommand)
	}
	var args []string
	var word strings.Builder
	inWord := false
	var quote rune // 0: none
	for _, r := range text {
		switch {
		case r == 0:
			return nil, errors.New("holds a NUL character")
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote, inWord = r, true
		case quote == 0 && (r == ' ' || r == '\t'):
			if inWord {
				args = append(args, word.String())
			}
			word.Reset()
			inWord = false
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if quote != 0 {
		return nil, errors.New("has a quote that is not closed")
	}
	if inWord {
		args = append(args, word.String())
	}
	if len(args) == 0 || !filepath.IsAbs(args[0]) {
		return nil, errors.New("does not begin with the absolute path of a program")
	}
	return args, nil
}

// defaultLifetime is below the quarter of an hour that an IAM token of ElastiCache
// is valid for.
const defaultLifetime = 10 * time.Minute

// setCommand takes the command of a level, if it has one.
func (t *Target) setCommand(b *block) {
	if b.command.IsEmpty() {
		return
	}
	t.command = Command{b.command, cmp.Or(b.lifetime, defaultLifetime)}
	t.commandSource = setting{option: b.option("PasswordCommand")}
}

// PasswordCommand is the command that prints the target's password; false for
// every target that has its password from elsewhere.
func (t *Target) PasswordCommand() (Command, bool) { return t.command, !t.command.IsZero() }

// CommandFailed is an error of the command with the name of its option.
func (t *Target) CommandFailed(err error) error { return t.commandSource.fail(err) }

// checkCommand looks whether there is a program to run. It is not run.
func (t *Target) checkCommand() error {
	_, err := exec.LookPath(t.command.Args()[0])
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		err = errors.New("there is no such program, or its folder cannot be read")
	default:
		err = errors.New("it is not a program that can be run: is it a file that the agent's user may execute?")
	}
	return t.CommandFailed(err)
}

// changeableByAll are warnings of commands that every user of the machine can
// replace.
func (o *Options) changeableByAll() []string {
	var out []string
	for _, t := range o.targets() {
		if t.command.IsZero() {
			continue
		}
		program := t.command.Args()[0]
		for _, path := range []string{program, filepath.Dir(program)} {
			st, err := os.Stat(path)
			if err == nil && st.Mode().Perm()&0o002 != 0 && st.Mode()&fs.ModeSticky == 0 {
				out = append(out, fmt.Sprintf("%s: every user of this machine can replace the program: take away the right to write to %s",
					t.commandSource.option, path))
			}
		}
	}
	return out
}
