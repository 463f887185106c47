"""What the explorer asks the lake, page by page: functions of filters that return questions in SQL."""
