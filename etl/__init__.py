"""The data lake: crawling, cataloguing, ingesting, describing and summarising, as Spark jobs over Delta tables."""
