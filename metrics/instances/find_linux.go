package instances

func find() (*instances, error) { return procfs{"/proc"}.find() }
