package config

// Switch is on unless it is SwitchOff: its zero value is on.
type Switch string

// Switches.
const (
	SwitchOn  Switch = "on"
	SwitchOff Switch = "off"
)

// IsOff reports SwitchOff.
func (s Switch) IsOff() bool { return s == SwitchOff }

// parse is parseSwitch.
func (s *Switch) parse(word string) *unitError {
	var on bool
	if err := parseSwitch(word, &on); err != nil {
		return err
	}
	*s = SwitchOff
	if on {
		*s = SwitchOn
	}
	return nil
}
