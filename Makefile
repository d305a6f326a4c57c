.PHONY: help demo clients
help: ## Shows this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

demo: ## Runs the service with simulated mailboxes and sample mail (Ctrl-C ends it)
	@cargo run --quiet -- demo

clients: ## Writes the generated code in clients/ anew from proto/
	cargo run --quiet -p mailagent-codegen
