package conf

// source is the option, or the parameter of an item key, that a value stands in.
type source struct {
	block *block // nil: none
	field string
}

// from is a field of a block. That of an item key does not outlive the request.
func (b *block) from(field string) source {
	if b.name == "" {
		b = noKey
	}
	return source{b, field}
}

func (s source) none() bool { return s.block == nil || s.field == "" }

// option is its full name; "" for none and for a parameter of an item key.
func (s source) option() string {
	if s.none() || s.block.name == "" {
		return ""
	}
	return s.block.option(s.field)
}

// place is where a block stands, for people.
func (b *block) place() string {
	switch b.name {
	case "":
		return "of the item key"
	case "Default":
		return "of Default"
	}
	return "of the session"
}

// passwordField is the option that gives a block's password; "" when none does.
func (b *block) passwordField() string {
	switch {
	case b.passwordFile != "":
		return "PasswordFile"
	case !b.command.IsEmpty():
		return "PasswordCommand"
	case !b.password.IsEmpty():
		return "Password"
	case b.tokenFile != "":
		return "TokenFile"
	case !b.token.IsEmpty():
		return "Token"
	}
	return ""
}

func (b *block) sentinelPasswordField() string {
	switch {
	case b.sentinelPasswordFile != "":
		return "SentinelPasswordFile"
	case !b.sentinelPassword.IsEmpty():
		return "SentinelPassword"
	}
	return ""
}

// settleUser takes a user that a field of a level names, unless there is one already.
func (t *Target) settleUser(b *block, user, field string) {
	if t.user == "" && user != "" {
		t.user, t.userBy = user, b.from(field)
	}
}

// settleLogin finds where a password that the target has not would be set: at the
// session, or where the address stands.
func (t *Target) settleLogin(levels []*block, uriLevel int) {
	switch {
	case len(levels) == 3:
		t.home = levels[1]
	case uriLevel < len(levels):
		t.home = levels[uriLevel]
	default:
		t.home = noKey
	}
	if t.home.name == "" {
		t.home = noKey
	}
}

// Login says in which options, or parameters of an item key, a target's user and
// password stand: for advice on what to do about a server that refuses them.
type Login struct {
	// Correct are those that were used, as "User and PasswordFile of the session";
	// "" when none was.
	Correct string
	// Missing are those of which one may give the password that the target has not, as
	// "Password or PasswordFile of the session".
	Missing string
}

// Login is that of the target as it stands.
func (t *Target) Login() Login {
	l := Login{Correct: both(t.userBy, t.passwordBy)}
	switch {
	case t.home == nil:
	case t.isSentinel:
		l.Missing = "SentinelPassword or SentinelPasswordFile " + t.home.place()
	case t.home.name == "":
		l.Missing = "the parameter Password of the item key, or a session with a password"
	default:
		l.Missing = "Password or PasswordFile " + t.home.place()
	}
	return l
}

// both names two sources, and their place once where it is the same.
func both(user, password source) string {
	switch {
	case user.none() && password.none():
		return ""
	case user.none():
		return password.words() + " " + password.block.place()
	case password.none():
		return user.words() + " " + user.block.place()
	case user.block.name != password.block.name:
		return user.words() + " " + user.block.place() + " and " + password.words() + " " + password.block.place()
	case user.block.name == "" && user.field == "User":
		return "the parameters User and Password " + user.block.place()
	}
	return user.words() + " and " + password.words() + " " + user.block.place()
}

// words is the name of the option, or of what an item key has in its place.
func (s source) words() string {
	switch {
	case s.block.name != "":
		return s.field
	case s.field == "Uri":
		return "the address"
	}
	return "the parameter " + s.field
}

// LoginOptions are the full names of the options that the user and the password come
// from; "" for what the target has not, and for what an item key gives.
func (t *Target) LoginOptions() (user, password string) {
	return t.userBy.option(), t.passwordBy.option()
}
