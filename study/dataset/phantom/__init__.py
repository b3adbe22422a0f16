"""The built-in synthetic set: breast-ultrasound images drawn from known descriptors."""
