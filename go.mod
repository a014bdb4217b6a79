module redisjobs

go 1.25.0

require (
	github.com/Microsoft/go-winio v0.6.2
	github.com/stretchr/testify v1.12.1
	go.yaml.in/yaml/v3 v3.0.5
	golang.zabbix.com/sdk v1.2.2-0.20251205121608-d9643740a558
)

require golang.org/x/sys v0.33.0 // indirect
