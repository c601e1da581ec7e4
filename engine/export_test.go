package engine

func init() { retainMost = 7 } // so that a pass has many portions
