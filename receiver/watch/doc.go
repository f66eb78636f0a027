// Package watch shows the counts of a gateway or of a folder that is being
// recorded as a live number: digits that can be read across the lab, with their
// error, history and age, in a terminal, and as a tone.
//
// What is shown is kept by a board, which readings and states are put into;
// drawing it is a function of the board, the size of the screen and the time,
// so that it is tested without a terminal.
package watch
