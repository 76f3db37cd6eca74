GREETING="Hello, module"
