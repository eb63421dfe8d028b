"""What is wrong with a line, told from what was heard on it: questions and answers in, findings in plain words out."""
