def titles(): return []
