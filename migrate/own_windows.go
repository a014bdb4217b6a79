package migrate

// own does nothing: files take their rights from the folder.
func own(string, string) error { return nil }

func giveToAgent(string) error { return nil }
