package conf

// ReadPasswordFile reads a file that holds nothing but a password, as the
// option PasswordFile does. The error names the file.
func ReadPasswordFile(path string) (Secret, error) {
	password, err := readSecret(setting{path, "password file " + path}, "password")
	return NewSecret(password), err
}
