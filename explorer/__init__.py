"""The Streamlit explorer: it reads the lake without a JVM and never writes."""
